"""Knows pairs of labels with one value behind them: "Inception / Expiry: 1 May 2026 / 30 April 2027"."""

import re

from worker.reading.fields.lexicon import Label

_JOINED = re.compile(r"\.?[ ]?[/&+][ ]?|[ ](?:and|und|et|y|e|en|i|och|og)[ ]")
_PARTS = re.compile(r"[ ][/|&–—-][ ]|[ ](?:to|until|bis|au|al|tot|do|til|and|und)[ ]")


def are_joined(text: str, first: Label, second: Label) -> bool:
    """Say whether a sign joins two labels of different fields."""
    return _JOINED.fullmatch(text, first.end, second.start) is not None and not set(first.rules) & set(second.rules)


def cut_value(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the end of the first part of a value, and the start of the second; None unless there are two."""
    found = list(_PARTS.finditer(text, start, end))
    return found[0].span() if len(found) == 1 else None

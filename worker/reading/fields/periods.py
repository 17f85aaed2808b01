"""Takes periods apart: "Period of insurance: 1 May 2026 to 30 April 2027" has the first day and the last."""

import re

from worker.reading.fields.values.dates import find_date
from worker.reading.fields.vocabulary import PERIOD_LABELS
from worker.reading.fields.words import tokenize

#: Places in one text where it may be cut.
MAX_CUTS = 10

_PERIODS = frozenset(tokenize(label) for labels in PERIOD_LABELS.values() for label in labels)
_TO = re.compile(
    r"\s*(?:[-–—~〜～→]{1,2}|から|\b(?:to|until|till|through|bis|bis zum|au|jusqu['’]au|al|hasta|hasta el|tot|t/m"
    r"|tot en met|do|até|a|til|til og med|saakka|έως|μέχρι|ile)\b)\s*",
    re.IGNORECASE,
)


def is_period(label: str) -> bool:
    """Say whether a label names a period of insurance."""
    return tokenize(label) in _PERIODS


def part_of_period(text: str, *, is_end: bool) -> tuple[int, int] | None:
    """Return (start, end) of the first or the last day of the period in a text; None when it has no two dates."""
    for found, _ in zip(_TO.finditer(text), range(MAX_CUTS), strict=False):
        # Only whether there are two dates matters here, not what they mean.
        if find_date(text[: found.start()], "DMY") or find_date(text[: found.start()], "MDY"):
            rest = text[found.end() :]
            if find_date(rest, "DMY") or find_date(rest, "MDY"):
                return (found.end(), len(text)) if is_end else (0, found.start())
    return None

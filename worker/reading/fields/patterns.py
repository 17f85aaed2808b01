"""Runs users' patterns, with RE2 only: it takes linear time for any mail."""

from collections.abc import Iterator
from itertools import islice

from worker.reading.fields.rules import compile_pattern

#: Matches that are examined in one text.
MAX_MATCHES = 20


def find_matches(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    """Return (start, end) of each match, or of its first group if that took part; skip empty ones."""
    for found in islice(compile_pattern(pattern).finditer(text), MAX_MATCHES):
        start, end = found.span(1) if found.re.groups and found.span(1)[0] >= 0 else found.span()
        if start < end:
            yield start, end

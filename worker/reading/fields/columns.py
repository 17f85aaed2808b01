"""Finds the value below a label in a table with one row: in the cell below, or in the column of plain text."""

import re

from worker.reading.fields import items
from worker.reading.fields.lexicon import Label

#: Empty lines between a label and a value below it.
MAX_GAP = 2
#: Columns of one line.
_MAX_COLUMNS = 30

_COLUMN = re.compile(r"[^ \n](?:[^ \n]|[ ](?! ))*")
_GAP = re.compile(r"[.:]?[ ]{2,}")
_TAB = re.compile(r"\t")

Span = tuple[int, int]


def line_below(text: str, line_end: int, end: int) -> Span:
    """Return the next line with text after at most `MAX_GAP` empty ones; (0, 0) without one."""
    for _ in range(MAX_GAP + 1):
        start = line_end + 1
        if start >= end:
            break
        newline = text.find("\n", start, end)
        line_end = end if newline < 0 else newline
        if text[start:line_end].strip(" >*_|"):
            return start, line_end
    return 0, 0


def value_in_cell(text: str, line: Span, end: int, cell_start: int) -> Span | None:
    """Return the cell below the one at *cell_start*; None when there are several rows, or rows of items."""
    if items.is_head(text[slice(*line)], _TAB):
        return None  # the price of an item is not the mail's price
    column = text.count("\t", line[0], cell_start)
    start, stop = line_below(text, line[1], end)
    if text.count("\t", start, stop) < max(column, 1):
        return None
    for _ in range(column):
        start = text.find("\t", start, stop) + 1
    if _is_row(text, stop + 1, end, column):
        return None  # a value in one of several rows is not the mail's value
    tab = text.find("\t", start, stop)
    return start, stop if tab < 0 else tab


def _is_row(text: str, start: int, end: int, column: int) -> bool:
    """Say whether the line at *start* has text in this column, too."""
    newline = text.find("\n", start, end)
    cells = text[start : end if newline < 0 else newline].split("\t")
    return len(cells) > max(column, 1) and bool(cells[column].strip())


def value_in_column(text: str, line: Span, end: int, label: Label, labels_after: list[int]) -> Span | None:
    """Return what is below a label in a line of heads that two or more blanks keep apart.

    One more label must be a head of the same line, and there must be one row only.
    """
    gap = _GAP.match(text, label.end, line[1])
    is_last = not text[label.end : line[1]].strip(" ") and text[label.start - 2 : label.start] == "  "
    if not is_last and not (gap and any(text[other - 2 : other] == "  " for other in labels_after)):
        return None
    if items.is_head(text[slice(*line)], _GAP):
        return None
    first = label.start - line[0]
    last = gap.end() - line[0] if gap else None
    row = line_below(text, line[1], end)
    found = _column(text, row, first, last)
    if found is None or len(_columns(text, (row[1] + 1, _line_end(text, row[1] + 1, end)))) > 1:
        return None
    return found


def _line_end(text: str, start: int, end: int) -> int:
    newline = text.find("\n", start, end)
    return end if newline < 0 else newline


def _columns(text: str, line: Span) -> list[Span]:
    found = []
    for each in _COLUMN.finditer(text, *line):
        found.append(each.span())
        if len(found) >= _MAX_COLUMNS:
            break
    return found


def _column(text: str, line: Span, first: int, last: int | None) -> Span | None:
    """Return the text of a line that begins between two columns of characters."""
    spans = _columns(text, line)
    if len(spans) < 2:
        return None
    return next(
        (span for span in spans if first - 1 <= span[0] - line[0] and (last is None or span[0] - line[0] < last)), None
    )

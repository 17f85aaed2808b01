"""Reads tables in text: rows of cells with a tab or a bar between them, under a row of header cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from worker.reading.fields.items import is_total
from worker.reading.fields.lexicon import Label

#: Rows and columns of one table.
MAX_ROWS = 200
MAX_COLUMNS = 30
#: Characters of a row.
MAX_LINE = 5_000
#: Lines of one table, with those between rows and those that continue a row.
MAX_LINES = 1_000
#: Lines with text between a heading and its table, and characters of such a line.
MAX_BETWEEN = 2
LONGEST_BETWEEN = 200


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as objects keyed by the header cells, and the position of the table."""

    start: int
    end: int
    rows: list[dict[str, str]]


def parse_table(text: str, label: Label, end: int) -> Table | None:
    """Return the table that a label heads: as a header cell, or in the caption or heading above it."""
    start = text.rfind("\n", 0, label.start) + 1
    lines = _lines(text, start, end)
    first = next(lines, None)
    if first is None:
        return None
    head = _cells(text, *first)
    if len(head) < 2:
        is_heading = label.start - first[0] <= 10 and first[1] - label.end <= 20
        first, head = _head_below(text, lines, MAX_BETWEEN if is_heading else 0)
    if first is None or not _is_head(head):
        return None
    rows, last = _rows(text, lines, head)
    return Table(first[0], last, rows) if rows else None


def _head_below(text: str, lines: Iterator[tuple[int, int]], between: int) -> tuple[tuple[int, int] | None, list[str]]:
    """Return the first row below a heading, with at most *between* lines of text before it."""
    for line in lines:
        if not text[line[0] : line[1]].strip(" -=_*+"):
            continue
        if len(head := _cells(text, *line)) >= 2:
            return line, head
        between -= 1
        if between < 0 or line[1] - line[0] > LONGEST_BETWEEN:
            break
    return None, []


def _is_head(cells: list[str]) -> bool:
    return len(cells) >= 2 and all(any(map(str.isalpha, cell)) for cell in cells if cell)


def _rows(text: str, lines: Iterator[tuple[int, int]], head: list[str]) -> tuple[list[dict[str, str]], int]:
    """Return the rows below the head, and the end of the last one. Sums and the next table end them."""
    rows: list[list[str]] = []
    numbered: list[bool] = []  # the columns in which all rows so far have digits
    last, is_summed = 0, False
    for end, cells in _written_rows(text, islice(lines, MAX_LINES), len(head)):
        if len(rows) >= MAX_ROWS or not 2 <= len(cells) <= len(head):
            break
        if cells == head:
            continue  # the head again, as on each page
        if rows and is_total(cells):
            is_summed = True
            continue
        # After a sum only a whole row is one more item; others belong to the table of sums.
        is_whole = len(cells) == len(head) > 2 and all(cells)
        digits = [_has_digit(cell) for cell in cells]
        if _is_of_next_table(cells, digits, numbered, len(head)) or (is_summed and not is_whole):
            break
        if rows and not cells[0] and not any(digits):
            rows[-1] = _joined(rows[-1], cells)  # it only continues the text of the row above
        else:
            numbered = [one and other for one, other in zip(numbered, digits, strict=False)] if rows else digits
            rows.append(cells)
        last = end
    named = [{name: cell for name, cell in zip(head, cells, strict=False) if name and cell} for cells in rows]
    return [row for row in named if row], last


def _written_rows(text: str, lines: Iterator[tuple[int, int]], width: int) -> Iterator[tuple[int, list[str]]]:
    """Return (end, cells) of each row; the text of a cell may be on several lines."""
    begun: tuple[int, list[str]] | None = None
    for start, end in lines:
        line = text[start : min(end, start + MAX_LINE)].strip()
        cells = _cells(text, start, end)
        if not cells and line and not line.strip("-=+|: "):
            continue  # a line below the head, or between rows
        cells = cells or [line]
        if begun is not None:
            if _completes(begun[1], cells, width):
                cells = [*begun[1][:-1], f"{begun[1][-1]} {cells[0]}", *cells[1:]]
            else:
                yield begun
            begun = None
        if line and len(cells) < width and len(line) <= LONGEST_BETWEEN:
            begun = end, cells
        else:
            yield end, cells
    if begun is not None:
        yield begun


def _completes(begun: list[str], cells: list[str], width: int) -> bool:
    """Say whether a line completes the row that the line above began: "Crate", then "(large)", "2", "5.00"."""
    if len(begun) + len(cells) - 1 != width:
        return False
    return len(begun) == 1 or cells[0][:1].islower() or cells[0].startswith("(")


def _is_of_next_table(cells: list[str], digits: list[bool], numbered: list[bool], width: int) -> bool:
    """Say whether a row is of another table: it is short or a head, with words where all rows so far have digits."""
    strange = any(
        cell and is_numbered and not digit for cell, digit, is_numbered in zip(cells, digits, numbered, strict=False)
    )
    return strange and (len(cells) < width or (_is_head(cells) and not any(digits)))


def _has_digit(cell: str) -> bool:
    return any(map(str.isdigit, cell))


def _joined(row: list[str], more: list[str]) -> list[str]:
    length = max(len(row), len(more))
    first, second = row + [""] * (length - len(row)), more + [""] * (length - len(more))
    return [f"{one} {two}".strip() for one, two in zip(first, second, strict=True)]


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        newline = text.find("\n", start, end)
        stop = end if newline < 0 else newline
        yield start, stop
        start = stop + 1


def _cells(text: str, start: int, end: int) -> list[str]:
    line = text[start : min(end, start + MAX_LINE)]
    if "\t" in line:
        cells = line.split("\t")
    elif "|" in line:
        line = line.strip(" ")
        cells = line.removeprefix("|").rstrip("| ").split("|")  # the first cell may be empty
    else:
        return []
    cells = [cell.strip(" *") for cell in cells[:MAX_COLUMNS]]
    return [] if all(set(cell) <= set("-=:+ ") for cell in cells) else cells

"""Tables in text: rows of cells with a tab or a bar between them, under a row of header cells."""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.reading.fields.lexicon import Label

#: Rows and columns of one table.
MAX_ROWS = 200
MAX_COLUMNS = 30


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as objects keyed by the header cells, and where the table stands."""

    start: int
    end: int
    rows: list[dict[str, str]]


def table_at(text: str, label: Label, end: int) -> Table | None:
    """The table that a label heads as a header cell or as the caption above it."""
    start = text.rfind("\n", 0, label.start) + 1
    lines = _lines(text, start, end)
    first = next(lines, None)
    if first is None:
        return None
    head = _cells(text, *first)
    if len(head) < 2:
        first = next((line for line in lines if text[line[0] : line[1]].strip()), None)
        head = _cells(text, *first) if first else []
    if len(head) < 2 or first is None or not all(any(char.isalpha() for char in cell) for cell in head if cell):
        return None
    rows: list[dict[str, str]] = []
    last = first[1]
    for line_start, line_end in lines:
        cells = _cells(text, line_start, line_end)
        if len(rows) >= MAX_ROWS or not 2 <= len(cells) <= len(head):
            if set(text[line_start:line_end]) <= set("-=+| \t") and not rows and line_start < line_end:
                continue  # a line drawn under the head
            break
        rows.append({name: cell for name, cell in zip(head, cells, strict=False) if name and cell})
        last = line_end
    return Table(first[0], last, rows) if rows else None


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        newline = text.find("\n", start, end)
        stop = end if newline < 0 else newline
        yield start, stop
        start = stop + 1


def _cells(text: str, start: int, end: int) -> list[str]:
    line = text[start:end]
    if "\t" in line:
        cells = line.split("\t")
    elif "|" in line:
        cells = line.strip(" |").split("|")
    else:
        return []
    cells = [cell.strip(" *") for cell in cells[:MAX_COLUMNS]]
    return [] if all(set(cell) <= set("-=:+ ") for cell in cells) else cells

"""Finds the tables of a PDF page: lines of cells whose columns stand below one another."""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.reading.attachments.pdf.words import PageWords, Word

#: Words of a page with tables, and cells of a row.
MAX_WORDS, MAX_CELLS = 10_000, 30
#: Characters of a cell, and of all cells of a line but one: lines with longer ones are prose, perhaps in columns.
MAX_CELL, MAX_SHORT_CELL = 80, 35
#: Points by which the heights of words of one line may differ.
_SAME_LINE = 2.5
#: Sizes of a letter: between two cells at least; between two rows, and between two lines of one cell, at most.
_GAP, _ROWS, _LINES = 1.0, 2.5, 1.6


@dataclass(slots=True)
class _Cell:
    left: float
    right: float
    text: str


@dataclass(slots=True)
class _Row:
    y: float
    size: float
    cells: list[_Cell]

    @property
    def is_prose(self) -> bool:
        lengths = sorted(len(cell.text) for cell in self.cells)
        return lengths[-1] > MAX_CELL or (len(lengths) > 1 and lengths[-2] > MAX_SHORT_CELL)


class _Table:
    """Rows below one another, and how far the cells of each column reach."""

    def __init__(self) -> None:
        self.rows: list[_Row] = []
        self._columns: list[_Cell] = []
        self._wrapped: list[_Row] = []

    def add(self, line: _Row) -> bool:
        """Add a line, or return False when it is not of this table."""
        above = (self._wrapped or self.rows or [line])[-1]
        if len(line.cells) == 1 and self.rows and above.y - line.y <= _LINES * line.size:
            self._wrapped.append(line)  # it belongs to the row above if another row follows
            return True
        if not 2 <= len(line.cells) <= MAX_CELLS or line.is_prose or above.y - line.y > _ROWS * line.size:
            return False
        fewer, more = sorted((self._columns or line.cells, line.cells), key=len)
        places = list(_columns_of(fewer, more))
        if not all(_is_between(cell, n, more, line.size) for cell, n in zip(fewer, places, strict=True)):
            return False
        self._columns = [_Cell(cell.left, cell.right, "") for cell in more]
        for n, cell in zip(places, fewer, strict=True):
            column = self._columns[n]
            column.left, column.right = min(column.left, cell.left), max(column.right, cell.right)
        for each in self._wrapped:
            self._join(self.rows[-1].cells, each.cells[0])
        self._wrapped = []
        self.rows.append(line)
        return True

    def _join(self, cells: list[_Cell], more: _Cell) -> None:
        """Add a line of one cell to the cell of its column in the row above, or as one that the row lacks."""
        (column,) = _columns_of([more], self._columns)
        for n, cell in zip(_columns_of(cells, self._columns), cells, strict=True):
            if n == column:
                cell.text += f" {more.text}"
                return
        cells.append(more)
        cells.sort(key=lambda cell: cell.left)

    def text(self) -> str:
        """Return a line for each row, with a tab between two cells."""
        lines = []
        for row in self.rows:
            texts = [""] * len(self._columns)
            for column, cell in zip(_columns_of(row.cells, self._columns), row.cells, strict=True):
                texts[column] = cell.text
            lines.append("\t".join(texts) + "\n")
        return "".join(lines)


def table_text(words: PageWords) -> Iterator[str]:
    """Yield the tables of a page, each after an empty line."""
    for table in _tables(words.all(MAX_WORDS)):
        if len(table.rows) > 1:
            yield "\n" + table.text()


def _tables(words: list[Word]) -> Iterator[_Table]:
    table = _Table()
    for line in _lines(words):
        if not table.add(line):
            yield table
            table = _Table()
            table.add(line)
    yield table


def _lines(words: list[Word]) -> Iterator[_Row]:
    """Yield the lines of a page from its top, each with its cells from the left."""
    line: list[Word] = []
    for word in words:
        if line and line[0].y - word.y > _SAME_LINE:
            yield _row(line)
            line = []
        line.append(word)
    if line:
        yield _row(line)


def _row(line: list[Word]) -> _Row:
    cells: list[_Cell] = []
    for word in sorted(line, key=lambda word: word.x):
        if cells and word.x - cells[-1].right < _GAP * word.size:
            cells[-1].text += f" {word.text}"
            cells[-1].right = max(word.end, cells[-1].right)
        else:
            cells.append(_Cell(word.x, word.end, word.text))
    return _Row(line[0].y, max(word.size for word in line), cells)


def _is_between(cell: _Cell, n: int, columns: list[_Cell], size: float) -> bool:
    """Return whether a cell is between the columns beside column *n*: heads are often centred, and cells are not."""
    left = columns[n - 1].right - size if n else cell.left
    right = columns[n + 1].left + size if n + 1 < len(columns) else cell.right
    return left <= cell.left and cell.right <= right


def _columns_of(cells: list[_Cell], columns: list[_Cell]) -> Iterator[int]:
    """Yield the column of each cell of a row: the nearest one that leaves a column for each cell after it."""
    first = 0
    for number, cell in enumerate(cells):
        end = len(columns) - len(cells) + number + 1
        column = min(range(first, end), key=lambda n: _distance(cell, columns[n]))
        yield column
        first = column + 1


def _distance(cell: _Cell, column: _Cell) -> tuple[float, float]:
    apart = max(0.0, column.left - cell.right, cell.left - column.right)
    return apart, abs(cell.left + cell.right - column.left - column.right)

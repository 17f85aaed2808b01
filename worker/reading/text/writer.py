"""Writes the visible text of HTML: lines of blocks, rows of tables, and labels with their values."""

import re
from dataclasses import dataclass, field

_BLOCK_NAMES = """
    address article aside blockquote body caption center dd div dl dt fieldset figure footer form header hr li main nav
    ol pre section table tbody tfoot thead tr ul
"""
BLOCKS = frozenset(_BLOCK_NAMES.split())
PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6"})
CELLS = frozenset({"td", "th"})
_LINES = BLOCKS | PARAGRAPHS
#: Pieces and characters of a cell whose lines may be joined, and columns of one cell.
MAX_PIECES = 40
SHORT_CELL = 120
MAX_SPAN = 20
#: Characters after a form control that belong to it, such as a unit.
UNIT = 4

#: Characters of a spacer, and those that are seen of none.
MAX_SPACER = 20
_SPACERS = " \t\r\n\f\u00a0\u00ad\u034f\u200b\u200c\u200d\u200e\u200f\u2007\u2060\ufeff"
#: What may stand in a cell of its own between a label and its value.
_COLONS = frozenset({":", "：", ":-"})
_BLANK = " \t\r\n\f"
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_LONE_CELL = re.compile(r"^\t+([^\t\n]*)$", re.MULTILINE)
_DIGIT = re.compile(r"\d")


@dataclass(slots=True)
class _Row:
    """An open table row. `breaks` of the cell that is open are positions in the text's pieces that `<br>` made."""

    cells: int = 0
    is_head: bool = False
    span: int = 1
    #: Cells with text, and those of them with `<br>` between their lines.
    filled: int = 0
    broken: int = 0
    has_text: bool = False
    #: Whether a block or an inner table put a line end into the row, or into the open cell.
    has_lines: bool = False
    cell_has_lines: bool = False
    #: Whether every `<br>` of the open cell is in running text, with no element before or after it.
    is_running: bool = True
    start: int = 0
    breaks: list[int] = field(default_factory=list)
    #: (number of the filled cell, position) of those breaks of the row that may become blanks.
    joinable: list[tuple[int, int]] = field(default_factory=list)
    tabs: list[int] = field(default_factory=list)
    has_digits: bool = False


class TextWriter:
    """Collects text. Blanks, line ends and cell marks wait until text follows, so that empty boxes leave no trace.

    Cells of one row are on one line with a tab between them: the field reader searches for `Label<tab>value`.
    """

    def __init__(self) -> None:
        self._out: list[str] = []
        self._newlines = 0
        self._breaks = False  # whether only <br> caused the waiting newlines
        self._cells = 0
        self._blank = False
        self._pre = 0
        #: Open table rows, outermost first.
        self._rows: list[_Row] = []
        #: Since the last text: whether an inline element ended, whether one began after that, and any tag at all.
        self._left = self._entered = self._moved = False
        #: Whether an element since the last text, and one around the last text, is a box of its own, as a label is.
        self._box = self._boxed = False
        self._after_control = False

    def text(self, text: str) -> None:
        if not self._pre and _is_blank(text, self._rows):
            self._blank = True  # inside such elements there is little other text
            return
        content = text if self._pre or (text.isprintable() and "  " not in text) else _BLANKS.sub(" ", text)
        self._blank = self._blank or content.startswith(" ")
        follows = content.endswith(" ")
        content = content if self._pre else content.strip(" ")
        if not content:
            return
        if self._cells and not self._newlines and content.strip(_SPACERS) in _COLONS:
            self._out.append(content.strip(_SPACERS))  # a cell between label and value
            self._cells = 0
            return
        if self._newlines or self._cells:
            self._end_line()
        elif self._blank or self._entered or self._after_control:
            self._separate(content)
        self._out.append(content)
        self._blank = follows
        if self._moved or self._after_control:
            self._boxed = self._box
            self._left = self._entered = self._moved = self._box = self._after_control = False
        for row in reversed(self._rows):
            if row.has_text:
                break
            row.has_text = True
            row.filled += 1
            row.start = len(self._out) - 1

    def control(self, value: str, *, is_choice: bool = False) -> None:
        """Write what a form control shows. A tab separates a value from its label."""
        if not value:
            return
        in_line = bool(self._out) and not self._newlines and not self._cells and not is_choice
        self._moved = True
        self._blank |= is_choice
        if in_line and (not self._rows or self._rows[-1].has_text):
            self._cells = 1
        self._pre += 1
        self.text(value)
        self._pre -= 1
        self._blank = True
        self._after_control = not is_choice

    def enter_cell(self, tag: str, span: int) -> None:
        self._cell(span, is_head=tag == "th")
        self._moved = True

    def enter(self, tag: str, *, is_box: bool = False) -> None:
        if tag == "br":
            if not self._cells:
                self._breaks = self._breaks or not self._newlines
                self._newlines = min(self._newlines + 1, 3)
            return
        self._moved = True
        if tag in _LINES:
            self._line(2 if tag in PARAGRAPHS and not self._opens_row() else 1)
            if tag == "tr":
                self._rows.append(_Row())
            elif tag == "pre":
                self._pre += 1
        else:
            self._entered, self._box = self._left, self._box or is_box

    def leave(self, tag: str) -> None:
        if tag == "br":
            return
        self._moved = True
        if tag in _LINES:
            if tag == "tr" and self._rows:
                self._end_row(self._rows.pop())
            self._pre -= tag == "pre"
            self._line(2 if tag in PARAGRAPHS else 1)
        else:
            self._left = True

    def _end_line(self) -> None:
        """Write the line ends and cell marks that waited between the last text and the next."""
        if self._newlines and self._rows:
            self._mark_lines()
        if self._cells and self._rows:
            self._rows[-1].tabs.append(len(self._out) + 1)
        self._out += ["\n" * self._newlines, "\t" * self._cells]
        self._newlines = self._cells = 0
        self._breaks = False

    def _separate(self, content: str) -> None:
        """Write what is between two texts of one line."""
        if self._after_control and (len(content) > UNIT or content.endswith(":")):
            self._out.append("\t")
        elif self._blank:
            self._out.append(" ")
        elif (
            self._entered
            and self._out
            and self._out[-1][-1:].islower()
            and (content[0].isupper() or content[0].isdigit())
        ):
            # Label and value in two elements; a page shows them apart by its style.
            self._out.append("\t" if self._boxed else " ")

    def _mark_lines(self) -> None:
        """Remember in the open rows that a line end is in them, and where it is if a `<br>` of their cell made it."""
        inner = self._rows[-1]
        if self._breaks and inner.has_text:
            inner.breaks.append(len(self._out))
            inner.is_running &= not self._moved
        elif inner.filled:
            inner.has_lines = inner.cell_has_lines = True
        for row in reversed(self._rows[:-1]):
            if row.cell_has_lines:
                break
            if row.filled:
                row.has_lines = row.cell_has_lines = True

    def _opens_row(self) -> bool:
        return bool(self._rows) and not self._rows[-1].filled

    def _line(self, newlines: int) -> None:
        # A block at the start of a cell does not end the line of its row.
        if not self._cells:
            self._newlines = max(self._newlines, newlines)
            self._breaks = False

    def _cell(self, span: int, *, is_head: bool) -> None:
        if not self._rows:
            self._line(1)
            return
        row = self._rows[-1]
        self._end_cell(row)
        if row.cells:
            self._cells += row.span
            if row.filled:
                self._newlines = 0
        row.cells += 1
        row.is_head = is_head
        row.span = max(1, min(span, MAX_SPAN))

    def _end_cell(self, row: _Row) -> None:
        """Decide which `<br>` of the cell may become a blank: those in a short text without labels of its own."""
        if row.breaks and not row.cell_has_lines:
            row.broken += 1
            pieces = self._out[row.start : row.start + MAX_PIECES + 1]
            text = "".join(pieces) if len(pieces) <= MAX_PIECES else ""
            if row.is_running and text and len(text) <= SHORT_CELL and ":" not in text.rstrip(" :"):
                row.joinable += [(1 if row.is_head else row.filled, at) for at in row.breaks]
            row.has_digits |= row.filled == 1 and _DIGIT.search(text) is not None
        row.breaks = []
        row.has_text = row.cell_has_lines = False
        row.is_running = True

    def _end_row(self, row: _Row) -> None:
        self._end_cell(row)
        self._cells = 0
        self._newlines = min(self._newlines, 1)
        if row.filled < 2 or not row.broken or row.has_lines:
            return
        if row.broken == row.filled and (row.has_digits or not row.joinable):
            for at in row.tabs:  # each cell has a label above its value
                self._out[at] = "\n"
            return
        for cell, at in row.joinable:
            if cell == 1 or row.filled > 2:  # the lines of a value beside its label stay lines
                self._out[at] = " "

    def finish(self) -> str:
        return _LONE_CELL.sub(r"\1", "".join(self._out)).strip("\n")


def _is_blank(text: str, rows: list[_Row]) -> bool:
    """Say whether nothing is seen of the text; in a cell, a no-break space or a character without width is a spacer."""
    if text.isspace():
        return bool(rows) or not text.strip(_BLANK)
    return not text.isascii() and bool(rows) and len(text) <= MAX_SPACER and not text.strip(_SPACERS)

"""Reads the text of a Word document (ECMA-376 WordprocessingML) while its XML is unfolded, element by element.

No tree is built, so a document costs as much as it has bytes. What a reader does not see is left out: deleted text,
hidden text, placeholders of empty form fields. A cell that spans several columns or rows is written once.
"""

import re
from collections.abc import Callable, Iterator
from pyexpat import ParserCreate
from zipfile import ZipFile

from worker.reading.attachments.library_guard import TOO_COMPLEX, UnreadableError
from worker.reading.attachments.office_zip import open_zip, unfold
from worker.reading.attachments.work import Work
from worker.reading.limits import ReadingLimits

#: Namespaces of WordprocessingML (transitional, strict) and of its compatibility markup.
_WORD = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main ",
    "http://purl.oclc.org/ooxml/wordprocessingml/main ",
)
_FALLBACK = "http://schemas.openxmlformats.org/markup-compatibility/2006 Fallback"

#: Parts with text, in the order in which they are read.
_PARTS = tuple(
    re.compile(rf"word/{name}\d*\.xml") for name in ("document", "header", "footer", "footnotes", "endnotes")
)
#: Elements whose content is not text of the document.
_SKIPPED_NAMES = "del moveFrom instrText delText pPr tcPr tblPr trPr sectPr"
_SKIPPED = frozenset(_SKIPPED_NAMES.split())
_FALSE = frozenset({"0", "false", "off"})
_BLANKS = re.compile(r"[ \t\n]+")


#: Units of work for each element, and for each byte that is unfolded.
_ELEMENT, _BYTE = 1.5, 0.02


def word_text(content: bytes, limits: ReadingLimits, work: Work) -> Iterator[str]:
    """Yield the text: a line for each paragraph and for each row of a table, whose cells have tabs between them."""
    with open_zip(content, limits) as archive:
        names = [name for part in _PARTS for name in sorted(filter(part.fullmatch, archive.namelist()))]
        if not names:
            raise KeyError("no document part")
        left = limits.elements
        for name in names:
            story = _Story(left, work)
            yield from story.read(archive, name)
            left = story.elements_left


class _Story:
    """The text of one part. Text inside a row waits for the end of the row, so that its cells are on one line."""

    def __init__(self, elements: int, work: Work) -> None:
        self.elements_left = elements
        self._work = work
        self._out: list[str] = []
        #: Depth inside an element that is skipped; 0 outside.
        self._skipped = 0
        self._in_text = False
        self._is_hidden = False
        #: Open content controls: whether each shows a placeholder.
        self._controls: list[bool] = []
        #: Cells so far of each open row, outermost first.
        self._rows: list[int] = []
        #: Whether a blank follows if there is more text in the cell.
        self._has_gap = False

    def read(self, archive: ZipFile, name: str) -> Iterator[str]:
        parser = ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse_doctype
        for data in unfold(archive, name):
            before = self.elements_left
            parser.Parse(data)
            self._work.take(_BYTE * len(data) + _ELEMENT * (before - self.elements_left))
            yield self._take()
        parser.Parse(b"", True)
        yield self._take()

    def _take(self) -> str:
        text, self._out = "".join(self._out), []
        return text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements_left -= 1
        if self.elements_left < 0:
            raise UnreadableError(TOO_COMPLEX)
        if self._skipped:
            self._skipped += 1
            return
        local = _word_name(name)
        if local in _SKIPPED or name == _FALLBACK:
            self._skipped = 1
        elif local in _STARTS:
            _STARTS[local](self, attributes)

    def _end(self, name: str) -> None:
        if self._skipped:
            self._skipped -= 1
        elif (local := _word_name(name)) in _ENDS:
            _ENDS[local](self)

    def _characters(self, text: str) -> None:
        if not self._in_text or self._skipped or self._is_hidden or any(self._controls[-1:]):
            return
        if self._rows:
            text = " " * self._has_gap + _BLANKS.sub(" ", text)
        self._has_gap = False
        self._out.append(text)

    # --- elements ---------------------------------------------------------------------------------------------------

    def _start_text(self, _: dict[str, str]) -> None:
        self._in_text = True

    def _end_text(self) -> None:
        self._in_text = False

    def _start_run(self, _: dict[str, str]) -> None:
        self._is_hidden = False

    def _hide(self, attributes: dict[str, str]) -> None:
        self._is_hidden = _is_on(attributes)

    def _start_control(self, _: dict[str, str]) -> None:
        self._controls.append(any(self._controls[-1:]))

    def _empty_control(self, attributes: dict[str, str]) -> None:
        if self._controls and _is_on(attributes):
            self._controls[-1] = True

    def _end_control(self) -> None:
        self._controls.pop()

    def _start_row(self, _: dict[str, str]) -> None:
        if self._rows:  # of a table in a cell
            self._out.append("\n")
        self._rows.append(0)

    def _start_cell(self, _: dict[str, str]) -> None:
        self._has_gap = False
        if self._rows:
            if self._rows[-1]:
                self._out.append("\t")
            self._rows[-1] += 1

    def _end_row(self) -> None:
        self._has_gap = False
        if self._rows:
            self._rows.pop()
            self._out.append("\n")

    def _break(self, _: object = None) -> None:
        self._separate("\n")

    def _tab(self, _: object) -> None:
        self._separate("\t")

    def _separate(self, outside: str) -> None:
        """End a piece of text: in a cell by a blank, elsewhere by *outside*."""
        if not self._rows:
            self._out.append(outside)
        elif self._out and self._out[-1] != "\t":
            self._has_gap = True

    def _hyphen(self, _: dict[str, str]) -> None:
        self._out.append("-")


_STARTS: dict[str, Callable[[_Story, dict[str, str]], None]] = {
    "t": _Story._start_text,
    "r": _Story._start_run,
    "vanish": _Story._hide,
    "sdt": _Story._start_control,
    "showingPlcHdr": _Story._empty_control,
    "tr": _Story._start_row,
    "tc": _Story._start_cell,
    "tab": _Story._tab,
    "br": _Story._break,
    "cr": _Story._break,
    "noBreakHyphen": _Story._hyphen,
}
_ENDS: dict[str, Callable[[_Story], None]] = {
    "t": _Story._end_text,
    "sdt": _Story._end_control,
    "tr": _Story._end_row,
    "p": _Story._break,
}


def _word_name(name: str) -> str:
    """Return the local name of an element of WordprocessingML; "" for any other."""
    return name.rpartition(" ")[2] if name.startswith(_WORD) else ""


def _is_on(attributes: dict[str, str]) -> bool:
    values = (value for name, value in attributes.items() if name.endswith(" val"))
    return next(values, "1").lower() not in _FALSE


def _refuse_doctype(*_: object) -> None:
    raise UnreadableError(TOO_COMPLEX)  # no office program writes one, and its entities may refer to each other

"""Where the value of a label stands: behind a colon, on the next line, in the next cell or in the cell below."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from worker.reading.fields.lexicon import Label, Lexicon

#: Characters of a value that are looked at.
MAX_VALUE = 500
#: Empty lines between a label and a value below it.
MAX_GAP = 2
#: A line under a label without a colon is its value only when it is short.
SHORT_LINE = 80

_SEPARATOR = re.compile(r"[ .*_]{0,10}(?:\(([^()\n]{0,30})\)[ .*_]{0,5})?[ ]{0,10}(?:[:：=]|-{1,2}>|→)[ *_]{0,10}")
_DASH = re.compile(r"[ ]{1,5}[-–—|][ ]{1,5}|[ .]{2,60}(?=\S)|[ ]?\|[ ]?")
_PAREN = re.compile(r"[ .]{0,3}(?:\(([^()\n]{0,30})\))?[ .*_:]{0,5}$")
_JOINT = re.compile(
    r"\.?(?:[ ]{0,3}(?:is|was|of|on|by|the"
    r"|ist|war|vom|von|am|bis|lautet|beträgt|du|le|de|del|es|est|der|al|di|è|van)\b){0,2}"
    r"[ ]{1,3}",
    re.IGNORECASE,
)
#: A line that is itself "Label:" or "Label: value".
_LABELLED = re.compile(r"[ >*•-]{0,6}[^\s:\t][^:\n\t]{0,40}:(?:\s|\*|$)")
_BULLET = re.compile(r"[\s>*•·\-–#\d.)(+|_]{0,12}$")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Text that may hold the value of a label; `strict`: it must begin at `start`, since nothing separates it."""

    label: Label
    start: int
    end: int
    confidence: float
    strict: bool = False
    #: What stood in brackets between label and value, such as a currency.
    remark: str = ""


def candidates(text: str, lexicon: Lexicon, start: int, end: int) -> Iterator[Candidate]:
    """Candidates between two offsets of a text, in the order of their labels."""
    found = lexicon.labels(text, start, end)
    if not found:
        return
    colons = {label.start for label in found if _SEPARATOR.match(text, label.end, end)}
    for place, label in enumerate(found):
        following = next((other.start for other in found[place + 1 : place + 6] if other.start in colons), end)
        yield from _Place(
            text, start, end, label, {other.start: other for other in found[place + 1 : place + 6]}, following
        ).values()


class _Place:
    """One label and what stands round it."""

    def __init__(
        self, text: str, start: int, end: int, label: Label, others: dict[int, Label], next_colon: int
    ) -> None:
        self._text = text
        self._label = label
        self._others = others
        self._line_start = max(text.rfind("\n", start, label.start) + 1, start)
        newline = text.find("\n", label.end, end)
        self._line_end = end if newline < 0 else newline
        self._end = end
        cell_start = max(text.rfind("\t", self._line_start, label.start) + 1, self._line_start)
        tab = text.find("\t", label.end, self._line_end)
        self._cell_end = self._line_end if tab < 0 else tab
        self._cell_start = cell_start
        self._leads = _BULLET.match(text, max(cell_start, label.start - 40), label.start) is not None
        self._next_colon = next_colon

    def values(self) -> Iterator[Candidate]:
        text, label = self._text, self._label
        separator = _SEPARATOR.match(text, label.end, self._cell_end)
        if separator is not None:
            remark = separator[1] or ""
            if separator.end() < self._cell_end:
                stop = min(self._cell_end, max(self._next_colon, separator.end()))
                yield self._made(separator.end(), stop, 0.95 if self._leads else 0.85, remark)
            elif self._leads:
                yield from self._elsewhere(0.9, remark)
            return
        rest = _PAREN.match(text, label.end, self._cell_end)
        if rest is not None and self._leads:
            yield from self._elsewhere(0.85, rest[1] or "")
            return
        if self._leads and (dash := _DASH.match(text, label.end, self._cell_end)):
            yield self._made(dash.end(), min(self._cell_end, self._next_colon), 0.8)
            return
        if joint := _JOINT.match(text, label.end, self._cell_end):
            yield self._made(joint.end(), min(self._cell_end, self._next_colon), 0.7, strict=True)

    def _made(self, start: int, end: int, confidence: float, remark: str = "", *, strict: bool = False) -> Candidate:
        return Candidate(self._label, start, min(end, start + MAX_VALUE), confidence, strict, remark)

    def _elsewhere(self, confidence: float, remark: str) -> Iterator[Candidate]:
        """The label fills its cell: the value is in the next cell, in the cell below, or on the next line."""
        if self._cell_end < self._line_end:
            yield from self._next_cell(confidence, remark)
        elif "\t" in self._text[self._line_start : self._cell_start]:
            yield from self._cell_below(confidence, remark)
        else:
            yield from self._next_line(confidence, remark)

    def _next_cell(self, confidence: float, remark: str) -> Iterator[Candidate]:
        start = self._cell_end
        while start < self._line_end and self._text[start] in "\t ":
            start += 1
        tab = self._text.find("\t", start, self._line_end)
        stop = self._line_end if tab < 0 else tab
        if self._is_label(start, stop):
            # A row of labels is the head of a table.
            yield from self._cell_below(confidence, remark)
        else:
            yield self._made(start, stop, confidence, remark)

    def _cell_below(self, confidence: float, remark: str) -> Iterator[Candidate]:
        column = self._text.count("\t", self._line_start, self._cell_start)
        start, stop = self._line_below(self._line_end)
        if self._text.count("\t", start, stop) < max(column, 1):
            return
        for _ in range(column):
            start = self._text.find("\t", start, stop) + 1
        if self._is_a_row(stop + 1, column):
            return  # one row of several is not the mail's value
        tab = self._text.find("\t", start, stop)
        yield self._made(start, stop if tab < 0 else tab, confidence - 0.05, remark)

    def _is_a_row(self, start: int, column: int) -> bool:
        """Whether the line at *start* has something in this column, too."""
        newline = self._text.find("\n", start, self._end)
        cells = self._text[start : self._end if newline < 0 else newline].split("\t")
        return len(cells) > max(column, 1) and bool(cells[column].strip())

    def _next_line(self, confidence: float, remark: str) -> Iterator[Candidate]:
        start, stop = self._line_below(self._line_end)
        if start >= stop or self._is_label(start, stop):
            return
        if _LABELLED.match(self._text, start, stop):
            return
        said = self._text.find(":", self._label.end, self._line_end) >= 0
        if not said and not self._is_heading(start, stop):
            return
        tab = self._text.find("\t", start, stop)
        yield self._made(start, stop if tab < 0 else tab, confidence - (0.05 if said else 0.2), remark)

    def _is_label(self, start: int, stop: int) -> bool:
        """Whether a label fills a cell or line, so that it is no value: in "PO-5502" the label "PO" does not."""
        other = self._others.get(start)
        return other is not None and not self._text[other.end : stop].strip(" .:*")

    def _is_heading(self, start: int, stop: int) -> bool:
        """A label without a colon names the short line right below it; a wrapped sentence does not."""
        return self._text[self._label.start].isupper() and stop - start <= SHORT_LINE and start == self._line_end + 1

    def _line_below(self, line_end: int) -> tuple[int, int]:
        for _ in range(MAX_GAP + 1):
            start = line_end + 1
            if start >= self._end:
                break
            newline = self._text.find("\n", start, self._end)
            line_end = self._end if newline < 0 else newline
            if self._text[start:line_end].strip(" >*_|"):
                return start, line_end
        return 0, 0

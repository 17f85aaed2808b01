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


@dataclass(slots=True)
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
    separators = [_SEPARATOR.match(text, label.end, end) for label in found]
    for place, (label, separator) in enumerate(zip(found, separators, strict=True)):
        near = slice(place + 1, place + 6)
        candidate = _Place(text, start, end, label, found[near], separators[near]).value(separator)
        if candidate is not None:
            yield candidate


class _Place:
    """One label and what stands round it; `others` are the labels behind it, with what separates their values."""

    def __init__(
        self,
        text: str,
        start: int,
        end: int,
        label: Label,
        others: list[Label],
        separators: list[re.Match[str] | None],
    ) -> None:
        self._text = text
        self._label = label
        self._others = others
        self._separators = separators
        self._end = end
        self._line_start = max(text.rfind("\n", start, label.start) + 1, start)
        newline = text.find("\n", label.end, end)
        self._line_end = end if newline < 0 else newline
        self._cell_start = max(text.rfind("\t", self._line_start, label.start) + 1, self._line_start)
        tab = text.find("\t", label.end, self._line_end)
        self._cell_end = self._line_end if tab < 0 else tab

    def value(self, separator: re.Match[str] | None) -> Candidate | None:
        text, label, cell_end = self._text, self._label, self._cell_end
        leads = self._leads()
        if separator is not None and separator.end() <= cell_end:
            remark = separator[1] or ""
            if separator.end() < cell_end:
                stop = max(self._stop(), separator.end())
                return self._made(separator.end(), stop, 0.95 if leads else 0.85, remark)
            return self._elsewhere(0.9, remark) if leads else None
        if leads and (rest := _PAREN.match(text, label.end, cell_end)):
            return self._elsewhere(0.85, rest[1] or "")
        if leads and (dash := _DASH.match(text, label.end, cell_end)):
            return self._made(dash.end(), self._stop(), 0.8)
        if joint := _JOINT.match(text, label.end, cell_end):
            return self._made(joint.end(), self._stop(), 0.7, strict=True)
        return None

    def _leads(self) -> bool:
        """Whether the label is the first in its cell, but for bullets and numbers."""
        start = self._label.start
        return (
            start == self._cell_start or _BULLET.match(self._text, max(self._cell_start, start - 40), start) is not None
        )

    def _stop(self) -> int:
        """Where a value beside its label ends at the latest: the cell does, or another label with a colon begins."""
        for other, separator in zip(self._others, self._separators, strict=True):
            if separator is not None:
                return min(self._cell_end, other.start)
        return self._cell_end

    def _made(self, start: int, end: int, confidence: float, remark: str = "", *, strict: bool = False) -> Candidate:
        return Candidate(self._label, start, min(end, start + MAX_VALUE), confidence, strict, remark)

    def _elsewhere(self, confidence: float, remark: str) -> Candidate | None:
        """The label fills its cell: the value is in the next cell, in the cell below, or on the next line."""
        if self._cell_end < self._line_end:
            return self._next_cell(confidence, remark)
        if "\t" in self._text[self._line_start : self._cell_start]:
            return self._cell_below(confidence, remark)
        return self._next_line(confidence, remark)

    def _next_cell(self, confidence: float, remark: str) -> Candidate | None:
        start = self._cell_end
        while start < self._line_end and self._text[start] in "\t ":
            start += 1
        tab = self._text.find("\t", start, self._line_end)
        stop = self._line_end if tab < 0 else tab
        if self._is_label(start, stop):
            # A row of labels is the head of a table.
            return self._cell_below(confidence, remark)
        return self._made(start, stop, confidence, remark)

    def _cell_below(self, confidence: float, remark: str) -> Candidate | None:
        column = self._text.count("\t", self._line_start, self._cell_start)
        start, stop = self._line_below(self._line_end)
        if self._text.count("\t", start, stop) < max(column, 1):
            return None
        for _ in range(column):
            start = self._text.find("\t", start, stop) + 1
        if self._is_a_row(stop + 1, column):
            return None  # one row of several is not the mail's value
        tab = self._text.find("\t", start, stop)
        return self._made(start, stop if tab < 0 else tab, confidence - 0.05, remark)

    def _is_a_row(self, start: int, column: int) -> bool:
        """Whether the line at *start* has something in this column, too."""
        newline = self._text.find("\n", start, self._end)
        cells = self._text[start : self._end if newline < 0 else newline].split("\t")
        return len(cells) > max(column, 1) and bool(cells[column].strip())

    def _next_line(self, confidence: float, remark: str) -> Candidate | None:
        start, stop = self._line_below(self._line_end)
        if start >= stop or self._is_label(start, stop):
            return None
        if _LABELLED.match(self._text, start, stop):
            return None
        said = self._text.find(":", self._label.end, self._line_end) >= 0
        if not said and not self._is_heading(start, stop):
            return None
        tab = self._text.find("\t", start, stop)
        return self._made(start, stop if tab < 0 else tab, confidence - (0.05 if said else 0.2), remark)

    def _is_label(self, start: int, stop: int) -> bool:
        """Whether a label fills a cell or line, so that it is no value: in "PO-5502" the label "PO" does not."""
        other = next((other for other in self._others if other.start == start), None)
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

"""Finds the value of a label: after a colon, on the next line, in the next cell or in the cell below."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from worker.reading.fields.columns import line_below, value_in_cell, value_in_column
from worker.reading.fields.label_pairs import are_joined, cut_value
from worker.reading.fields.lexicon import Label, Lexicon
from worker.reading.fields.separators import (
    BULLET,
    DASH,
    JOINT,
    LABELLED,
    NET,
    NEXT_COLUMN,
    NEXT_GAP,
    NO_NUMBER_REMARK,
    PAREN,
    SEPARATOR,
    SIGN,
    is_other_unit,
)
from worker.reading.fields.surroundings import Surroundings

#: Characters of a value that are examined.
MAX_VALUE = 500
#: A line below a label without a colon is its value only if it is short.
SHORT_LINE = 80
#: Characters of a label that may also be the first letters of a reference.
SHORT_LABEL = 3


class Place(Enum):
    """Where a candidate is, seen from its label."""

    BESIDE = "after a separator, or in the next cell"
    ADJACENT = "right after the label, in a sentence"
    BELOW = "on the next line"
    APART = "after an empty line"


@dataclass(slots=True)
class Candidate:
    """Text that may hold the value of a label."""

    label: Label
    start: int
    end: int
    confidence: float
    place: Place = Place.BESIDE
    #: Text in brackets, or a sign, between label and value, such as a currency.
    remark: str = ""
    #: Whether the label is the first in its cell.
    leads: bool = True
    #: Whether a question has a label in it ("What is your policy number?"), and not only a label.
    is_question: bool = False
    #: Whether one more label follows it: an empty line may be in a form, but the next paragraph is no value.
    in_form: bool = False
    #: Whether the text belongs to another label, too: only its form can say what in it is whose.
    is_shared: bool = False
    #: The cell behind that of the value, which may have another one: "Premium | 820 | 910".
    rival: tuple[int, int] | None = None


def find_candidates(
    text: str, lexicon: Lexicon, start: int, end: int, is_wanted: Callable[[Label], bool] = lambda _: True
) -> Iterator[tuple[Label, Candidate | None]]:
    """Yield the wanted labels between two offsets of a text, in their order, each with what may be its value.

    *is_wanted* is asked when the labels before were yielded.
    """
    found = lexicon.find_labels(text, start, end)
    if not found:
        return
    around = Surroundings(text, start, end)
    found = [label for label in found if around.is_text(label.start, label.end)]
    separators = [SEPARATOR.match(text, label.end, end) for label in found]
    values = {separator.end() for separator in separators if separator is not None}
    for index, (label, separator) in enumerate(zip(found, separators, strict=True)):
        if not is_wanted(label):
            continue
        if separator is None and label.end - label.start <= SHORT_LABEL and label.start in values:
            continue  # the "AZ" of "Tracking number: AZ 4471 0091" is no label
        near = slice(index + 1, index + 6)
        position = _LabelPosition(text, start, end, label, found[near], separators[near])
        candidate = position.value(separator)
        if candidate and candidate.place is Place.ADJACENT and around.is_idiom(label.start, label.end):
            candidate = None
        if candidate and index and separators[index - 1] is None and are_joined(text, found[index - 1], label):
            yield from _of_both(text, found[index - 1], candidate)
        else:
            yield label, candidate


def _of_both(text: str, first: Label, candidate: Candidate) -> Iterator[tuple[Label, Candidate]]:
    """Yield the candidates of two labels with one value: each has a part, or both share it all."""
    cut = cut_value(text, candidate.start, candidate.end)
    if cut is None:
        yield first, replace(candidate, label=first, is_shared=True)
        yield candidate.label, replace(candidate, is_shared=True)
    else:
        yield first, replace(candidate, label=first, end=cut[0])
        yield candidate.label, replace(candidate, start=cut[1])


class _LabelPosition:
    """One label and its surroundings; `others` are the labels after it, with what separates their values."""

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
        self._leads = self._is_first()
        self._is_question = False

    def value(self, separator: re.Match[str] | None) -> Candidate | None:
        text, label, cell_end = self._text, self._label, self._cell_end
        if separator is not None and separator.end() <= cell_end:
            return self._separated(separator)
        if self._leads and (rest := PAREN.match(text, label.end, cell_end)):
            unit = rest["unit"] or ""
            remark = f"{rest['remark'] or ''}{rest['sign']} {unit}".strip()
            if not (NO_NUMBER_REMARK.fullmatch(remark) or is_other_unit(unit)):
                return self._elsewhere(0.85, remark)
        if self._leads and (below := self._column_below()):
            return below
        if self._leads and (dash := DASH.match(text, label.end, cell_end)):
            stop = self._stop()
            if dash[0].isspace() and (column := NEXT_GAP.search(text, dash.end(), stop)):
                stop = column.start()
            return self._made(dash.end(), stop, 0.8)
        if joint := SIGN.match(text, label.end, cell_end) or JOINT.match(text, label.end, cell_end):
            return self._made(joint.end(), self._stop(), 0.7, place=Place.ADJACENT)
        return None

    def _separated(self, separator: re.Match[str]) -> Candidate | None:
        unit = separator["unit"] or ""
        if is_other_unit(unit):
            return None  # "Claim PDF: 123" is no claim
        remark = f"{separator['remark'] or ''} {unit} {separator['sign']}".strip()
        self._is_question = bool(separator["question"]) and not self._leads
        if separator.end() < self._cell_end and not self._text[separator.end() : self._cell_end].isspace():
            stop = max(self._stop(), separator.end())
            if column := NEXT_COLUMN.search(self._text, separator.end(), stop):
                stop = column.start()
            place = Place.ADJACENT if self._is_question else Place.BESIDE
            confidence = (0.95 if self._leads else 0.85) - (0.05 if NET.match(remark) else 0)
            return self._made(separator.end(), stop, confidence, remark, place)
        return self._elsewhere(0.9, remark) if self._leads or self._is_question else None

    def _is_first(self) -> bool:
        """Say whether the label is the first in its cell or column, except for bullets and numbers."""
        start = self._label.start
        return (
            start == self._cell_start
            or self._is_column()
            or BULLET.match(self._text, max(self._cell_start, start - 40), start) is not None
        )

    def _stop(self) -> int:
        """Return the latest end of a value beside its label: the cell ends, or another label with a colon begins."""
        for other, separator in zip(self._others, self._separators, strict=True):
            if separator is not None:
                return min(self._cell_end, other.start)
        return self._cell_end

    def _made(
        self, start: int, end: int, confidence: float, remark: str = "", place: Place = Place.BESIDE
    ) -> Candidate:
        end = min(end, start + MAX_VALUE)
        return Candidate(self._label, start, end, confidence, place, remark, self._leads, self._is_question)

    def _elsewhere(self, confidence: float, remark: str) -> Candidate | None:
        """Search elsewhere when the label fills its cell: the next cell, the cell below, or the next line."""
        if self._cell_end < self._line_end:
            return self._next_cell(confidence, remark)
        if "\t" in self._text[self._line_start : self._cell_start]:
            return self._cell_below(confidence, remark)
        if self._is_column() and self._text[self._cell_start : self._label.start].strip(" "):
            return self._column_below()
        return self._next_line(confidence, remark)

    def _next_cell(self, confidence: float, remark: str) -> Candidate | None:
        start = self._cell_end
        while start < self._line_end and self._text[start] in "\t :：":
            start += 1
        tab = self._text.find("\t", start, self._line_end)
        stop = self._line_end if tab < 0 else tab
        if self._is_label(start, stop):
            # A row of labels is the head of a table.
            return self._cell_below(confidence, remark)
        found = self._made(start, stop, confidence, remark)
        following = self._text.find("\t", stop + 1, self._line_end)
        if stop < self._line_end and self._text.count("\t", self._line_start, self._cell_start) == 0:
            found.rival = stop + 1, self._line_end if following < 0 else following
        return found

    def _is_column(self) -> bool:
        """Say whether blanks keep the label apart from the text before it, as in a row of heads."""
        return self._text[max(self._cell_start, self._label.start - 2) : self._label.start] == "  "

    def _column_below(self) -> Candidate | None:
        """Return the value below a label in a table of plain text, whose columns blanks keep apart."""
        if self._cell_end < self._line_end:
            return None
        heads = [other.start for other in self._others if other.end <= self._line_end]
        found = value_in_column(self._text, (self._line_start, self._line_end), self._end, self._label, heads)
        return self._made(*found, 0.75) if found else None

    def _cell_below(self, confidence: float, remark: str) -> Candidate | None:
        found = value_in_cell(self._text, (self._line_start, self._line_end), self._end, self._cell_start)
        return self._made(*found, confidence - 0.05, remark) if found else None

    def _next_line(self, confidence: float, remark: str) -> Candidate | None:
        start, stop = line_below(self._text, self._line_end, self._end)
        if start >= stop or self._is_label(start, stop) or self._begins_with_a_label(start):
            return None
        if LABELLED.match(self._text, start, stop):
            return None
        is_apart = start > self._line_end + 1
        has_colon = any(self._text.find(mark, self._label.end, self._line_end) >= 0 for mark in ":：?")
        if not has_colon and not self._is_heading(start, stop):
            return None
        tab = self._text.find("\t", start, stop)
        place = Place.APART if is_apart else Place.BELOW
        found = self._made(start, stop if tab < 0 else tab, confidence - (0.05 if has_colon else 0.2), remark, place)
        if is_apart:
            following, last = line_below(self._text, stop, self._end)
            found.in_form = following < last and LABELLED.match(self._text, following, last) is not None
        return found

    def _is_label(self, start: int, stop: int) -> bool:
        """Say whether a label fills a cell or line, so that it is no value: in "PO-5502" the label "PO" does not."""
        other = next((other for other in self._others if other.start == start), None)
        return other is not None and not self._text[other.end : stop].strip(" .:?*")

    def _begins_with_a_label(self, start: int) -> bool:
        """Say whether a line begins with a label of several words, such as "Claim number CL-1"."""
        other = next((other for other in self._others if other.start == start), None)
        return other is not None and " " in self._text[other.start : other.end]

    def _is_heading(self, start: int, stop: int) -> bool:
        """Say whether a label without a colon names the short line below it; a wrapped sentence does not."""
        # Scripts without capitals are no obstacle.
        return not self._text[self._label.start].islower() and stop - start <= SHORT_LINE

"""Splits the text of a mail into regions: new, quoted, forwarded, signature, disclaimer."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from worker.reading.text.plain import Utf16Offsets
from worker.reading.text.quotes.classifier import LineClassifier
from worker.reading.text.quotes.endings import mark_endings
from worker.reading.text.quotes.forwards import Forwarded

#: Regions of one text that are published; the rest of a text that has more is one region.
MAX_REGIONS = 1_000


class Region(NamedTuple):
    """Characters `start` to `end` of the text: `new`, `quoted`, `forwarded`, `signature` or `disclaimer`."""

    start: int
    end: int
    kind: str
    #: Whether these are lines that a mail program wrote above quoted or forwarded text, such as "On … wrote:".
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions of one text, in order, without gaps, and what the first forwarded mail in it says about itself."""

    all: Sequence[Region]
    forwarded: Forwarded | None = None

    def spans(self, *kinds: str) -> list[tuple[int, int]]:
        """Return (start, end) of the text of these kinds without headings; neighbours are joined."""
        out: list[tuple[int, int]] = []
        for region in self.all:
            if region.kind not in kinds or region.is_heading:
                continue
            if out and out[-1][1] == region.start:
                out[-1] = out[-1][0], region.end
            else:
                out.append((region.start, region.end))
        return out

    def answers(self, text: str) -> list[tuple[int, int]]:
        """Return (start, end) of each quoted question, or quoted label with a colon, with the new line below it."""
        out: list[tuple[int, int]] = []
        for quoted, new in pairwise(self.all[:MAX_REGIONS]):
            if quoted.kind != "quoted" or new.kind != "new" or quoted.is_heading:
                continue
            question = text[quoted.start : quoted.end].rstrip(" >\t\n")
            answer = text[new.start : new.end].lstrip()
            if question.endswith(("?", ":", "？", "：")) and answer:
                start = quoted.start + question.rfind("\n") + 1
                out.append((start, new.end - len(answer) + len(answer.partition("\n")[0])))
        return out

    def publish(self, text: str) -> list[dict[str, Any]]:
        """Return the regions with UTF-16 offsets; a heading is part of what is below it."""
        utf16 = Utf16Offsets(text)
        out: list[dict[str, Any]] = []
        for region in self.all:
            if out and (out[-1]["kind"] == region.kind or len(out) >= MAX_REGIONS):
                out[-1]["end"] = utf16(region.end)
            elif region.end > region.start:
                out.append({"kind": region.kind, "start": utf16(region.start), "end": utf16(region.end)})
        return out


def split_regions(text: str, subject: str = "") -> Regions:
    """Split the text of a mail. *subject* says whether a block of headers is above quoted or forwarded text."""
    lines = text.split("\n")
    classifier = LineClassifier(lines, subject)
    kinds = classifier.kinds()
    _join_blank_lines(lines, kinds)
    mark_endings(lines, kinds)
    out: list[Region] = []
    position = start = 0
    for number, line in enumerate(lines):
        position += len(line) + 1
        if number + 1 == len(lines) or kinds[number + 1] != kinds[number]:
            kind, _, heading = kinds[number].partition(" ")
            out.append(Region(start, min(position, len(text)), kind, bool(heading)))
            start = position
    return Regions(out, classifier.forwarded)


def _join_blank_lines(lines: list[str], kinds: list[str]) -> None:
    """Give blank lines between two lines of one kind that kind."""
    last = 0
    for at, line in enumerate(lines):
        if not line:
            continue
        kind = kinds[at].partition(" ")[0]
        if at - last > 1 and kind != "new" and kinds[at - 1] == "new" and kinds[last].partition(" ")[0] == kind:
            kinds[last + 1 : at] = [kind] * (at - last - 1)
        last = at

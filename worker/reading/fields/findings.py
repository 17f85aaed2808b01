"""What was found for the fields of one mail, and which of it becomes a value."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from worker.reading.fields.language import detect_language
from worker.reading.fields.values.dates import find_order
from worker.reading.text.plain import Utf16Offsets

#: Alternatives of one field that are kept, and findings of one field that are compared.
MAX_ALTERNATIVES = 5
MAX_FINDINGS = 30
#: Labels of one field below which a table is looked for: each look may read a thousand lines.
MAX_TABLES = 100
#: Highest confidence of a value if the same source has a different one too.
CONTESTED = 0.6
#: Characters of evidence for a text that is no value.
MAX_RAW = 200


@dataclass(frozen=True)
class FieldSource:
    """A text in which fields are searched, within `spans`, and its weight among the others."""

    name: str
    text: str
    spans: list[tuple[int, int]]
    weight: float
    #: Whether a pattern of a rule with labels is searched in it, too: in new text and in the subject.
    is_new: bool = False

    @cached_property
    def utf16(self) -> Utf16Offsets:
        return Utf16Offsets(self.text)

    @cached_property
    def language(self) -> str | None:
        return detect_language(self.text)

    @cached_property
    def date_order(self) -> str | None:
        """The order of its numeric dates, if those that have only one agree: one mail writes all of them alike."""
        orders = {order for start, end in self.spans if (order := find_order(self.text, start, end))}
        return orders.pop() if len(orders) == 1 else None

    def evidence(self, start: int, end: int) -> dict[str, Any]:
        """Return the text at these offsets and its position in UTF-16 units."""
        return {
            "raw": self.text[start:end],
            "source": self.name,
            "start": self.utf16(start),
            "end": self.utf16(end),
        }


@dataclass(slots=True)
class Finding:
    """One value for a field."""

    source: FieldSource
    #: The number of its source; the first is the best.
    rank: int
    start: int
    end: int
    value: Any
    #: How it was found, in words.
    rule: str
    confidence: float
    #: Whether a label that stands alone names it; a sentence may name another thing of the kind.
    is_plain: bool = True
    #: The place of the label in its rule: of several people the first label names the right one.
    order: int = 0

    def alternative(self) -> dict[str, Any]:
        return {"value": self.value, **self.source.evidence(self.start, self.end)}


@dataclass(slots=True)
class FieldFindings:
    """All that was found for one field."""

    values: list[Finding] = field(default_factory=list)
    #: Readings in doubt, as alternatives.
    doubtful: list[dict[str, Any]] = field(default_factory=list)
    #: Text behind a label that is not of the field's type.
    wrong: list[dict[str, Any]] = field(default_factory=list)
    #: How often a table was looked for.
    tables: int = 0

    def may_look_for_a_table(self) -> bool:
        """Count one more look for a table; return False when there were MAX_TABLES before it."""
        self.tables += 1
        return self.tables <= MAX_TABLES

    @property
    def is_full(self) -> bool:
        """Whether no more values are compared."""
        return len(self.values) >= MAX_FINDINGS

    def add_doubtful(self, source: FieldSource, start: int, end: int, values: Sequence[Any]) -> None:
        """Keep readings of one text; without any that is sure, the text itself."""
        place = source.evidence(start, min(end, start + MAX_RAW))
        for reading in [{"value": value, **place} for value in values] or [place]:
            if len(self.doubtful) < MAX_ALTERNATIVES and reading not in self.doubtful:
                self.doubtful.append(reading)

    def add_wrong(self, source: FieldSource, start: int, end: int) -> None:
        if len(self.wrong) < MAX_ALTERNATIVES:
            self.wrong.append(source.evidence(start, min(end, start + MAX_RAW)))

    def best(self) -> tuple[Any, dict[str, Any]] | None:
        """Return the value of the field and its evidence; None when nothing is sure."""
        if not self.values:
            return None
        best, others = _ranked(self.values) if len(self.values) > 1 else (self.values[0], [])
        confidence = best.confidence
        alternatives = [other.alternative() for other in others]
        rivals = [other for other in others if other.rank == best.rank]
        if rivals:
            if not best.is_plain and any(other.confidence >= best.confidence for other in rivals):
                self.doubtful = [best.alternative(), *alternatives, *self.doubtful][:MAX_ALTERNATIVES]
                return None
            confidence = min(confidence, CONTESTED)
        alternatives += [each for each in self.doubtful if each.get("value", best.value) != best.value]
        return best.value, {
            **best.source.evidence(best.start, best.end),
            "rule": best.rule,
            "confidence": round(confidence, 2),
            "alternatives": alternatives[:MAX_ALTERNATIVES],
        }

    def missing(self, name: str, *, is_expected: bool) -> dict[str, Any] | None:
        """Return why the field has no value; None for one that nobody expects and that the mail does not mention."""
        if self.doubtful:
            return {"name": name, "why": "ambiguous", "readings": self.doubtful}
        if self.wrong:
            return {"name": name, "why": "wrong_type", "readings": self.wrong}
        return {"name": name, "why": "absent", "readings": []} if is_expected else None


def _ranked(found: list[Finding]) -> tuple[Finding, list[Finding]]:
    """Return the best finding, and the first of each other value."""
    best, *rest = sorted(found, key=lambda finding: (finding.rank, -finding.confidence, finding.order, finding.start))
    others: list[Finding] = []
    for finding in rest:
        if finding.value != best.value and all(finding.value != other.value for other in others):
            others.append(finding)
    return best, others

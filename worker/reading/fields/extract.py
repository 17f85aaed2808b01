"""Fields of one mail: candidates of all rules in all sources, the best as value, the others as alternatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from worker.reading.fields.labels import Candidate, candidates
from worker.reading.fields.language import language_of_text
from worker.reading.fields.lexicon import Lexicon, language_of, lexicon
from worker.reading.fields.patterns import matches
from worker.reading.fields.tables import table_at
from worker.reading.fields.values import Hint, Value, ambiguous, find
from worker.reading.fields.words import tokens_of
from worker.reading.rules import FieldRule
from worker.reading.text import Utf16

#: Other readings kept of one field, and findings of one rule that are weighed.
MAX_ALTERNATIVES = 5
MAX_FINDINGS = 30
#: Confidence of a pattern's match, and of a value that has a different one beside it in the same source.
PATTERN = 0.8
CONTESTED = 0.6
#: Signs of currencies that make a number an amount, as letters do.
_SIGNS = frozenset("€$£¥")
#: Types that are written differently from country to country.
LOCAL_TYPES = frozenset({"date", "datetime", "money", "number"})


@dataclass(frozen=True)
class Source:
    """A text in which fields are looked for, within `spans`, and how much it counts beside the others."""

    name: str
    text: str
    spans: list[tuple[int, int]]
    weight: float

    @cached_property
    def utf16(self) -> Utf16:
        return Utf16(self.text)

    @cached_property
    def language(self) -> str | None:
        return language_of_text(self.text)


@dataclass(slots=True)
class _Finding:
    source: Source
    place: int
    start: int
    end: int
    value: Any
    rule: str
    confidence: float

    def evidence(self) -> dict[str, Any]:
        utf16 = self.source.utf16
        return {
            "raw": self.source.text[self.start : self.end],
            "source": self.source.name,
            "start": utf16(self.start),
            "end": utf16(self.end),
        }


def extract(sources: list[Source], rules: Sequence[FieldRule]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """(name → normal form, name → evidence). `sources` come best first; a field without a value is in neither."""
    rules = tuple(rules)
    known = lexicon(rules)
    searched = [(number, rule) for number, rule in enumerate(rules) if rule.pattern is not None and not rule.labels]
    findings: list[list[_Finding]] = [[] for _ in rules]
    unsure: list[list[Any]] = [[] for _ in rules]
    for place, source in enumerate(sources):
        for start, end in source.spans:
            _by_label(source, place, start, end, rules, known, findings, unsure)
        for number, rule in searched:
            _by_pattern(source, place, rule, findings[number])
    fields: dict[str, Any] = {}
    evidence: dict[str, dict[str, Any]] = {}
    for rule, found, readings in zip(rules, findings, unsure, strict=True):
        if found and rule.name not in fields:
            fields[rule.name], evidence[rule.name] = _best(found, readings)
    return fields, evidence


def _by_label(
    source: Source,
    place: int,
    start: int,
    end: int,
    rules: tuple[FieldRule, ...],
    known: Lexicon,
    findings: list[list[_Finding]],
    unsure: list[list[Any]],
) -> None:
    for candidate in candidates(source.text, known, start, end):
        for number in candidate.label.rules:
            if len(findings[number]) >= MAX_FINDINGS:
                continue
            rule = rules[number]
            value = _value(rule, source, candidate, end)
            if value is None:
                unsure[number] += ambiguous(rule, source.text[candidate.start : candidate.end])[:MAX_ALTERNATIVES]
                continue
            findings[number].append(
                _Finding(
                    source,
                    place,
                    value.start,
                    value.end,
                    value.value,
                    f"label: {candidate.label.label}",
                    candidate.confidence * source.weight,
                )
            )


def _value(rule: FieldRule, source: Source, candidate: Candidate, end: int) -> Value | None:
    """The value of a candidate, placed in the source's text."""
    if rule.type == "table":
        table = table_at(source.text, candidate.label, end)
        return Value(table.start, table.end, table.rows) if table else None
    start, strict = candidate.start, candidate.strict
    if strict and not _may_fit_a_sentence(rule, source.text[start : start + 24]):
        return None
    hint = _hint(rule, source, candidate)
    text = source.text[start : candidate.end]
    if rule.pattern is None:
        value = find(rule, text, hint)
        if value is None or (strict and not _fits_a_sentence(rule, candidate, text, value)):
            return None
        return Value(start + value.start, start + value.end, value.value)
    for first, last in matches(rule.pattern, text):
        value = find(rule, text[first:last], hint)
        if value is not None and not (strict and first + value.start > 0):
            return Value(start + first + value.start, start + first + value.end, value.value)
    return None


def _may_fit_a_sentence(rule: FieldRule, beginning: str) -> bool:
    """A cheap look at a sentence that goes on behind a label: text and names have no form of their own there."""
    if rule.type in {"text", "name"}:
        return False
    return rule.type == "email" or rule.pattern is not None or any(map(str.isdigit, beginning))


def _fits_a_sentence(rule: FieldRule, candidate: Candidate, text: str, value: Value) -> bool:
    """Whether a value right after its label is meant: in "order 12 chairs" and "cost 3 times" it is not."""
    if value.start > 0:
        return False
    raw = text[value.start : value.end]
    if rule.type == "reference" and "number" not in tokens_of(candidate.label.label):
        return len(raw) >= 5 and sum(map(str.isdigit, raw)) >= 3
    return rule.type != "money" or any(map(str.isalpha, raw)) or not _SIGNS.isdisjoint(raw)


def _hint(rule: FieldRule, source: Source, candidate: Candidate) -> Hint:
    # Finding out the language of a text costs more than the rest, and few types ask for it.
    if rule.type not in LOCAL_TYPES:
        return Hint(remark=candidate.remark)
    return Hint(language_of(candidate.label.label) or source.language, candidate.remark)


def _by_pattern(source: Source, place: int, rule: FieldRule, findings: list[_Finding]) -> None:
    """A rule with a pattern and no label searches everywhere."""
    assert rule.pattern is not None
    for start, end in source.spans:
        for first, last in matches(rule.pattern, source.text[start:end]):
            if len(findings) >= MAX_FINDINGS:
                break
            value = _matched(rule, source, start + first, start + last)
            if value is not None:
                findings.append(
                    _Finding(source, place, value.start, value.end, value.value, "pattern", PATTERN * source.weight)
                )


def _matched(rule: FieldRule, source: Source, start: int, end: int) -> Value | None:
    text = source.text[start:end]
    if rule.type in {"text", "reference"}:  # the pattern says what it looks like
        trimmed = text.strip()
        shift = len(text) - len(text.lstrip())
        return Value(start + shift, start + shift + len(trimmed), trimmed) if trimmed else None
    value = find(rule, text, Hint(source.language if rule.type in LOCAL_TYPES else None))
    return None if value is None else Value(start + value.start, start + value.end, value.value)


def _ranked(found: list[_Finding]) -> tuple[_Finding, list[_Finding]]:
    """The best finding, and the first of each other value."""
    best, *rest = sorted(found, key=lambda finding: (finding.place, -finding.confidence, finding.start))
    others: list[_Finding] = []
    for finding in rest:
        if finding.value != best.value and all(finding.value != other.value for other in others):
            others.append(finding)
    return best, others


def _best(found: list[_Finding], readings: list[Any]) -> tuple[Any, dict[str, Any]]:
    best, others = _ranked(found) if len(found) > 1 else (found[0], [])
    confidence = best.confidence
    if others:
        contested = any(other.place == best.place for other in others)
        confidence = min(best.confidence, CONTESTED) if contested else best.confidence
    alternatives = [{"value": other.value, **other.evidence()} for other in others]
    alternatives += [{"value": reading} for reading in dict.fromkeys(readings)]
    return best.value, {
        **best.evidence(),
        "rule": best.rule,
        "confidence": round(confidence, 2),
        "alternatives": alternatives[:MAX_ALTERNATIVES],
    }

"""Extracts the fields of one mail: all candidates of all rules, the best as value, the others as alternatives."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from worker.reading.fields.findings import FieldFindings, FieldSource
from worker.reading.fields.labels import find_candidates
from worker.reading.fields.lexicon import Label, Lexicon
from worker.reading.fields.rules import PLACES, FieldRule, is_general
from worker.reading.fields.search import FieldSearch

#: Confidence of a match of a pattern: of a rule without labels, and of one whose labels give no value.
PATTERN = 0.8
PATTERN_ONLY = 0.5


@dataclass(slots=True)
class Extraction:
    """The fields of one mail."""

    #: Name → normal form.
    fields: dict[str, Any]
    #: Name → {raw, source, start, end, rule, confidence, alternatives}.
    evidence: dict[str, dict[str, Any]]
    #: {name, why, readings} of each field that has no value: `absent`, `ambiguous` or `wrong_type`.
    missing: tuple[dict[str, Any], ...]


class _Plan:
    """What is looked for with one set of rules."""

    def __init__(self, rules: tuple[FieldRule, ...]) -> None:
        self.rules = rules
        self.lexicon = Lexicon(rules)
        with_pattern = [rule for rule in rules if rule.pattern is not None]
        #: Rules whose pattern is searched everywhere, and where their labels give no value.
        self.by_pattern = [rule for rule in with_pattern if not rule.labels]
        self.else_by_pattern = [rule for rule in with_pattern if rule.labels and not rule.labels_only]
        #: Name → first rule of that name, in the order of the queue's row and then of the rules.
        self.fields: dict[str, FieldRule] = {}
        for rule in sorted(rules, key=lambda rule: rule.show or len(PLACES) + 1):
            self.fields.setdefault(rule.name, rule)
        self.expected = {name for name, rule in self.fields.items() if not is_general(rule)}


@lru_cache(maxsize=64)
def _plan(rules: tuple[FieldRule, ...]) -> _Plan:
    """Return the plan for these rules, made once."""
    return _Plan(rules)


def forget_plans() -> None:
    """Forget the plans of rules that are not in use any more. The next mail makes those that it needs."""
    _plan.cache_clear()


def extract_fields(sources: list[FieldSource], rules: Sequence[FieldRule], sent: date | None = None) -> Extraction:
    """Return the fields of a mail that came on the day *sent*.

    The best of *sources* is first. Rules of one name are ways to one field.
    """
    plan = _plan(tuple(rules))
    found: dict[str, FieldFindings] = defaultdict(FieldFindings)

    def is_wanted(label: Label) -> bool:
        return any(not found[plan.rules[number].name].is_full for number in label.rules)

    for rank, source in enumerate(sources):
        for start, end in source.spans:
            for label, candidate in find_candidates(source.text, plan.lexicon, start, end, is_wanted):
                for number in label.rules:
                    rule = plan.rules[number]
                    FieldSearch(rule, source, rank, sent, found[rule.name]).by_label(label, candidate, end)
        for rule in plan.by_pattern:
            FieldSearch(rule, source, rank, sent, found[rule.name]).by_pattern(PATTERN)
    for rule in plan.else_by_pattern:
        if not found[rule.name].values:
            _search_pattern_only(sources, rule, sent, found[rule.name])
    return _extraction(found, plan)


def _extraction(found: dict[str, FieldFindings], plan: _Plan) -> Extraction:
    fields, evidence, missing = {}, {}, []
    for name in plan.fields:
        if name not in found and name not in plan.expected:
            continue
        if best := found[name].best():
            fields[name], evidence[name] = best
        elif absence := found[name].missing(name, is_expected=name in plan.expected):
            missing.append(absence)
    return Extraction(fields, evidence, tuple(missing))


def _search_pattern_only(
    sources: list[FieldSource], rule: FieldRule, sent: date | None, findings: FieldFindings
) -> None:
    """Search the pattern of a rule whose labels give no value in subject and new text. Several values are in doubt."""
    matched = FieldFindings()
    for rank, source in enumerate(sources):
        if source.is_new:
            FieldSearch(rule, source, rank, sent, matched).by_pattern(PATTERN_ONLY)
    if all(each.value == matched.values[0].value for each in matched.values):
        findings.values += matched.values
        return
    for each in matched.values:
        findings.add_doubtful(each.source, each.start, each.end, [each.value])

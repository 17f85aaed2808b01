"""Searches one rule in one text: behind its labels, and by its pattern."""

import re
from dataclasses import dataclass, replace
from datetime import date

from worker.reading.fields.findings import FieldFindings, FieldSource, Finding
from worker.reading.fields.labels import Candidate, Place
from worker.reading.fields.lexicon import Label, label_languages
from worker.reading.fields.patterns import find_matches
from worker.reading.fields.periods import is_period, part_of_period
from worker.reading.fields.rules import FieldRule, is_general
from worker.reading.fields.surroundings import Surroundings, fills
from worker.reading.fields.tables import parse_table
from worker.reading.fields.values import Hint, Readings, find_readings, is_blank
from worker.reading.fields.words import tokenize

#: What follows the price of one of several things.
_PER_UNIT = re.compile(
    r"\s?(?:/\s?|(?:per|pro|je|par|por|pr|each|apiece|pièce|cada|cadauno|cad|stuk|za|styck|stk)\b)", re.IGNORECASE
)
#: Currency signs; like currency codes, they make a number an amount.
_SIGNS = frozenset("€$£¥₹₩₽₺₪₫₦₱฿₴")
#: Types whose form depends on the country.
_LOCAL_TYPES = frozenset({"date", "datetime", "money", "number"})
#: Types whose form tells them from what stands beside them.
_FORMED = frozenset({"money", "phone", "email"})
#: Types of which a row of a table may have several.
_COMPARED = frozenset({"money", "date"})
_DATED = frozenset({"date", "datetime"})
#: What "kr" is in the languages that write it.
_CROWNS = {"sv": "SEK", "da": "DKK", "nb": "NOK"}
#: General fields whose one-word labels are ordinary words, which other words make more special.
_ORDINARY = frozenset({"amount", "date", "name", "address"})


def _may_be_a_name(word: str) -> bool:
    return not word[0].islower() or len(word) <= 3


@dataclass(slots=True)
class FieldSearch:
    """The search for one rule in one source of a mail that came on the day *sent*. It adds to *findings*."""

    rule: FieldRule
    source: FieldSource
    rank: int
    sent: date | None
    findings: FieldFindings

    def by_label(self, label: Label, candidate: Candidate | None, end: int) -> None:
        """Keep what a label gives: a value, readings in doubt, or text of another type."""
        if self.findings.is_full:
            return
        if self.rule.type == "table":
            if self.findings.may_look_for_a_table() and (table := parse_table(self.source.text, label, end)):
                self._add(Readings(table.start, table.end, (table.rows,)), f"label: {label.spelling}", 0.9)
            return
        if candidate is None or (candidate.is_shared and self.rule.type not in _FORMED):
            return
        found = self._readings(candidate)
        if found is None:
            self._note_wrong(candidate)
        elif len(found.values) != 1 or self._is_vague(candidate):
            self.findings.add_doubtful(self.source, found.start, found.end, found.values)
        elif rival := self._rival(candidate, found):
            for each in (found, rival):
                self.findings.add_doubtful(self.source, each.start, each.end, each.values)
        else:
            is_plain = candidate.leads and candidate.place is not Place.ADJACENT
            self._add(
                found, f"label: {label.spelling}", candidate.confidence, is_plain=is_plain, order=self._order(label)
            )

    def by_pattern(self, confidence: float) -> None:
        """Search the pattern everywhere in the source."""
        assert self.rule.pattern is not None
        for start, end in self.source.spans:
            for first, last in find_matches(self.rule.pattern, self.source.text[start:end]):
                if self.findings.is_full:
                    return
                found = self._matched(start + first, start + last, self._hint(None))
                if found is not None and len(found.values) == 1:
                    self._add(found, "pattern", confidence)

    def _order(self, label: Label) -> int:
        """Return the place of a label among those of a name."""
        is_name = self.rule.type == "name" and label.spelling in self.rule.labels
        return self.rule.labels.index(label.spelling) if is_name else 0

    def _add(self, found: Readings, rule: str, confidence: float, *, is_plain: bool = True, order: int = 0) -> None:
        confidence *= self.source.weight
        value = found.values[0]
        self.findings.values.append(
            Finding(self.source, self.rank, found.start, found.end, value, rule, confidence, is_plain, order)
        )

    def _readings(self, candidate: Candidate) -> Readings | None:
        """Return what a candidate may mean, with its position in the source's text."""
        start, strict = candidate.start, candidate.place is Place.ADJACENT
        text = self.source.text[start : candidate.end]
        if strict and not self._may_fit_a_sentence(text[:24]):
            return None
        hint = self._hint(candidate)
        if self.rule.pattern is not None:
            return self._by_own_pattern(candidate, hint)
        if is_period(candidate.label.spelling) and is_general(self.rule):
            part = part_of_period(text, is_end=self.rule.name == "expiry_date")
            if part is None:
                return None
            text, start = text[slice(*part)], start + part[0]
        found = self._find(text, hint)
        if found is None or not self._is_in_place(candidate, text, found):
            return None
        return found.moved(start)

    def _rival(self, candidate: Candidate, found: Readings) -> Readings | None:
        """Return another value of the type in the next cell, as where offers are side by side."""
        if candidate.rival is None or self.rule.type not in _COMPARED:
            return None
        other = self._find(self.source.text[slice(*candidate.rival)], self._hint(candidate))
        return other.moved(candidate.rival[0]) if other and other.values != found.values else None

    def _find(self, text: str, hint: Hint) -> Readings | None:
        """Return what a text means; the other dates of its source decide one that is in doubt."""
        found = find_readings(self.rule, text, hint)
        if found is None or len(found.values) < 2 or self.rule.type not in _DATED or not self.source.date_order:
            return found
        return find_readings(self.rule, text, replace(hint, date_order=self.source.date_order))

    def _by_own_pattern(self, candidate: Candidate, hint: Hint) -> Readings | None:
        """Search the rule's pattern behind its label."""
        assert self.rule.pattern is not None
        start, strict = candidate.start, candidate.place is Place.ADJACENT
        for first, last in find_matches(self.rule.pattern, self.source.text[start : candidate.end]):
            found = self._matched(start + first, start + last, hint)
            if found is not None and not (strict and found.start > start + 1):
                return found
        return None

    def _matched(self, start: int, end: int, hint: Hint) -> Readings | None:
        """Return what the match of a pattern means; the pattern itself defines the form of texts and references."""
        text = self.source.text[start:end]
        if self.rule.type in {"text", "reference"}:
            trimmed = text.strip()
            start += len(text) - len(text.lstrip())
            return Readings(start, start + len(trimmed), (trimmed,)) if trimmed else None
        found = self._find(text, hint)
        return found.moved(start) if found else None

    def _may_fit_a_sentence(self, beginning: str) -> bool:
        """Say cheaply whether a sentence after a label may hold a value: text and names have no form of their own."""
        if self.rule.type in {"text", "name"}:
            return False
        return self.rule.type == "email" or self.rule.pattern is not None or any(map(str.isdigit, beginning))

    def _is_in_place(self, candidate: Candidate, text: str, found: Readings) -> bool:
        """Say whether a value is the label's: below it, and behind a question, it must be nearly all of the line."""
        has_form = self.rule.type not in {"text", "name"}
        if candidate.place is Place.ADJACENT:
            return self._fits_a_sentence(candidate, text, found)
        if candidate.place is Place.BESIDE:
            return True
        if candidate.is_question and not has_form:
            return False
        if candidate.place is Place.APART:
            if not has_form:
                return candidate.in_form and candidate.confidence > 0.8 and not text.rstrip().endswith((".", "!", "?"))
            return fills(text, found.start, found.end, 1, 2)
        if has_form:
            return fills(text, found.start, found.end, 1, 3)
        # Under a heading a name has capitals; a sentence has not.
        return candidate.confidence > 0.8 or all(map(_may_be_a_name, str(found.values[0]).split()))

    def _fits_a_sentence(self, candidate: Candidate, text: str, found: Readings) -> bool:
        """Say whether a value right after its label is meant: in "order 12 chairs" and "cost 3 times" it is not."""
        raw, before = text[found.start : found.end], tokenize(text[: found.start])
        if before not in ((), ("number",)) or text[: found.start].strip("#№.:").isspace():
            return False
        if self.rule.type == "reference" and "number" not in before + tokenize(candidate.label.spelling):
            return len(raw) >= 5 and sum(map(str.isdigit, raw)) >= 3
        if self.rule.type == "money" and _PER_UNIT.match(text, found.end):
            return False  # "a price of 20 EUR per box" is no price of the mail
        return self.rule.type != "money" or any(map(str.isalpha, raw)) or not _SIGNS.isdisjoint(raw)

    def _is_vague(self, candidate: Candidate) -> bool:
        """Say whether an ordinary word is a part of something else: "for an amount of $5", "Birth date: 3 May"."""
        if self.rule.name not in _ORDINARY or not is_general(self.rule):
            return False
        if candidate.leads:
            return _PER_UNIT.match(candidate.remark) is not None  # "Price per box: 5"
        label, text = candidate.label, self.source.text
        around = Surroundings(text, max(0, label.start - 24), label.end)
        return text[label.start : label.end].isalpha() and around.is_qualified(label.start)

    def _note_wrong(self, candidate: Candidate) -> None:
        """Keep the text behind a label with a separator that is not of the rule's type."""
        text = self.source.text[candidate.start : candidate.end]
        if candidate.place is Place.BESIDE and candidate.leads and not is_blank(text):
            stripped = text.strip()
            start = candidate.start + len(text) - len(text.lstrip())
            self.findings.add_wrong(self.source, start, start + len(stripped))

    def _hint(self, candidate: Candidate | None) -> Hint:
        # Finding the language of a text costs more than the rest, and few types need it.
        remark = candidate.remark if candidate else ""
        if self.rule.type not in _LOCAL_TYPES:
            return Hint(remark=remark)
        languages = label_languages(candidate.label.spelling) if candidate else ()
        # Of several languages of a label that write alike, that of the text decides what "kr" is.
        language = languages[0] if languages and self.source.language not in languages else self.source.language
        crown = _CROWNS.get(languages[0]) if len(languages) == 1 else "SEK" if language == "sv" else None
        return Hint(language, remark, self.sent, crown=crown)

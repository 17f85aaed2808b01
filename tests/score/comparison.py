"""Compares found values with labelled ones: precision, recall, and a line for each fault."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.score.labelled import LabelledMail
from worker.reading import read


@dataclass(slots=True)
class Tally:
    """Counts of values. A wrong value in the place of an expected one counts as wrong and as missed."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.right + other.right, self.wrong + other.wrong, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """The part of the found values that is right; 1 when nothing is found."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """The part of the expected values that is found; 1 when nothing is expected."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(slots=True)
class Score:
    """Tallies by field or by type, the faults in words, and how many of the readings in doubt are offered."""

    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    faults: list[str] = field(default_factory=list)
    offered: int = 0
    in_doubt: int = 0

    @property
    def all(self) -> Tally:
        """The sum of all tallies."""
        return sum(self.tallies.values(), Tally())

    def note(self, name: str, where: str, expected: Any, found: Any, *, is_right: bool) -> None:
        """Count one field of one mail; None stands for no value."""
        tally = self.tallies[name]
        if is_right:
            tally.right += 1
            return
        tally.wrong += found is not None
        tally.missed += expected is not None
        kind = "missed" if found is None else "wrong" if expected is not None else "invented"
        self.faults.append(f"{where}: {name}: {kind}: expected {_shown(expected)}, found {_shown(found)}")


def score_reading(mails: Iterable[LabelledMail]) -> Score:
    """Read each mail and compare its fields with the labels."""
    score = Score()
    for mail in mails:
        reading = read(mail.raw, mail.rules)
        compare(score, mail, reading.fields)
        offers = {each["name"]: [offer.get("value") for offer in each["readings"]] for each in reading.missing}
        for name, readings in mail.doubt.items():
            score.in_doubt += 1
            offered = {comparable(offer) for offer in offers.get(name, ())}
            score.offered += name in offers and {comparable(each) for each in readings} <= offered
    return score


def compare(score: Score, mail: LabelledMail, found: Mapping[str, Any]) -> None:
    """Add the fields of one mail to a score."""
    for name in sorted({*mail.expected, *found}):
        value = found.get(name)
        if name in mail.expected:
            expected = mail.expected[name]
            right = [comparable(each) for each in (expected, *mail.accepted.get(name, ()))]
            score.note(name, mail.name, expected, value, is_right=comparable(value) in right)
        elif name not in mail.optional or comparable(value) != comparable(mail.optional[name]):
            score.note(name, mail.name, None, value, is_right=False)


def comparable(value: Any) -> Any:
    """Return a form in which equal values are equal: amounts as numbers, texts without case and extra blanks."""
    if isinstance(value, dict) and "amount" in value:
        return _decimal(value["amount"]), value.get("currency")
    if isinstance(value, dict):
        return tuple((key, comparable(each)) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(comparable, value))
    return " ".join(value.split()).casefold() if isinstance(value, str) else value


def _decimal(written: str) -> Decimal | str:
    try:
        return Decimal(written)
    except InvalidOperation:
        return written


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "amount" in value:
        return f"{value['amount']} {value.get('currency', '')}".strip()
    return "nothing" if value is None else repr(value)[:120]

"""Loads labelled values in the format in which test suites of other libraries were collected: JSON, one object a line.

`price_parser.jsonl` has {text, amount, currency, currency_hint}; `recognizers.jsonl` has {kind, lang, input, results}.
A text is read as the value of a label, with the rule of its type.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.score.comparison import Score, comparable
from worker.reading import FieldRule
from worker.reading.fields.values import Hint, find_readings
from worker.reading.fields.vocabulary import LANGUAGES

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
#: What shows that a text names its year: without one, the date depends on the day on which it is read.
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_CODES = {
    "Arabic": "ar", "Dutch": "nl", "English": "en", "French": "fr", "German": "de", "Italian": "it", "Japanese": "ja",
    "Portuguese": "pt", "Spanish": "es", "Swedish": "sv", "Turkish": "tr",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LabelledValue:
    """A text and the value of a type that it has; None when it has none."""

    where: str
    type: str
    text: str
    value: Any
    language: str | None = None


def load_values(folder: Path) -> Iterator[LabelledValue]:
    """Yield the labelled values in the files of a folder that have them."""
    readers = {"price_parser.jsonl": _price, "recognizers.jsonl": _recognized}
    for name, reader in readers.items():
        if (file := folder / name).exists():
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                yield from reader(f"{name}:{number}", json.loads(line))


def score_values(values: list[LabelledValue]) -> Score:
    """Read each text as the value of a label. Only the digits of an amount are compared: the sets name no ISO codes."""
    score = Score()
    rules = {kind: FieldRule(name=kind, type=kind, labels=("value",)) for kind in ("money", "date", "phone", "email")}
    for each in values:
        text = each.text.replace("\xa0", " ")  # as the text of a mail
        found = find_readings(rules[each.type], text, Hint(each.language))
        value = found.only.value if found and found.only else None
        if each.type == "money" and value is not None:
            value = {"amount": value["amount"]}
        where = f"{each.where}: {each.text[:60]!r}"
        if value is not None or each.value is not None:
            score.note(each.type, where, each.value, value, is_right=comparable(value) == comparable(each.value))
    return score


def _price(where: str, line: dict[str, Any]) -> Iterator[LabelledValue]:
    amount = line["amount"]
    yield LabelledValue(where, "money", line["text"], None if amount is None else {"amount": amount})


def _recognized(where: str, line: dict[str, Any]) -> Iterator[LabelledValue]:
    """Yield what a line has of addresses, international telephone numbers and full dates."""
    language = _CODES.get(line["lang"])
    for result in line["results"]:
        text, resolution = result["text"], result["resolution"]
        if not isinstance(resolution, dict):
            continue
        if line["kind"] == "EmailModel":
            yield LabelledValue(where, "email", text, resolution["value"].lower())
        elif line["kind"] == "PhoneNumberModel" and re.match(r"\+\d{2}[\d\s().-]+$", text):
            written = text.replace("(0)", "")  # the sets keep this zero, which nobody dials from abroad
            yield LabelledValue(where, "phone", text, "+" + re.sub(r"\D", "", written))
        elif line["kind"] == "DateTimeModel" and result["type"] == "datetimeV2.date" and language in LANGUAGES:
            values = [value for value in resolution.get("values", ()) if isinstance(value, dict)]
            days = {value.get("value") for value in values}
            if len(days) == 1 and _DAY.fullmatch(day := str(days.pop())) and _YEAR.search(text):
                yield LabelledValue(where, "date", text, day, language)

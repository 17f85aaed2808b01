"""Loads the general fields and the habits of each language: how its business mail labels fields and writes values.

Each language is one file in `languages/`. Spellings of case, accents, hyphens and of "No.", "Nr.", "N°", "#" for
"number" need no label of their own.
"""

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

#: General field → its type, in the order in which fields are shown.
FIELD_TYPES = {
    "reference": "reference",
    "policy_number": "reference",
    "claim_number": "reference",
    "order_number": "reference",
    "invoice_number": "reference",
    "tracking_number": "reference",
    "reservation_number": "reference",
    "customer_number": "reference",
    "name": "name",
    "insured": "name",
    "customer": "name",
    "company": "name",
    "effective_date": "date",
    "expiry_date": "date",
    "loss_date": "date",
    "due_date": "date",
    "deadline": "date",
    "delivery_date": "date",
    "date": "date",
    "amount": "money",
    "total": "money",
    "premium": "money",
    "deductible": "money",
    "phone": "phone",
    "email": "email",
    "address": "text",
}


@dataclass(frozen=True, slots=True)
class Language:
    """The habits of one language."""

    #: Order of numeric dates, where all who write it use the same; English uses two.
    date_order: str | None = None
    decimal_mark: str = "."
    #: Frequent words that show that a text is in it. Danish ones count for Norwegian, too: both write values alike.
    stop_words: str = ""
    #: The names of each month, January first.
    months: tuple[str, ...] = ()
    #: The names of each day of the week, Monday first. None that is an ordinary word ("do", "so", "to", "per") in a
    #: language: it would decide a date of which nobody named the day.
    weekdays: tuple[str, ...] = ()
    #: General field → its labels.
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Labels of a period of insurance: its first day is `effective_date`, its last `expiry_date`.
    period: tuple[str, ...] = ()


def _language(data: dict[str, Any]) -> Language:
    labels = {name: tuple(labels) for name, labels in data.pop("labels").items()}
    months, weekdays, period = (tuple(data.pop(name, ())) for name in ("months", "weekdays", "period"))
    return Language(months=months, weekdays=weekdays, labels=labels, period=period, **data)


def _languages() -> dict[str, Language]:
    found = (file for file in files(__package__).joinpath("languages").iterdir() if file.name.endswith(".toml"))
    read = {file.name.removesuffix(".toml"): file.read_text(encoding="utf-8") for file in found}
    return {code: _language(tomllib.loads(read[code])) for code in sorted(read)}


#: ISO 639 code → language.
LANGUAGES = _languages()

#: General field → language → labels.
GENERAL_LABELS = {
    name: {code: each.labels[name] for code, each in LANGUAGES.items() if name in each.labels} for name in FIELD_TYPES
}

#: Language → labels of periods, and the fields that they have.
PERIOD_LABELS = {code: each.period for code, each in LANGUAGES.items() if each.period}
PERIOD_FIELDS = frozenset({"effective_date", "expiry_date"})

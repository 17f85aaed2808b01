"""One candidate to one value: the normal form of each type, or nothing. Never a guess."""

import re
from dataclasses import dataclass
from typing import Any

from worker.reading.fields import dates, money
from worker.reading.fields.numbers import NUMBER, Mark, parse
from worker.reading.rules import FieldRule
from worker.reading.vocabulary import DAY_FIRST, DECIMAL_COMMA

#: Characters of a name and of a reference.
MAX_NAME = 100
MAX_REFERENCE = 64

_EDGES = " \t\n*_\"'`„“”«»|;,>"
_EDGES_AND_STOP = _EDGES + "."
_REFERENCE = re.compile(r"[#№]?\s?([A-Za-z0-9](?:[A-Za-z0-9]|[-._/:+](?=[A-Za-z0-9])){0,63})")
_PREFIXED = re.compile(r"([A-Z]{1,6})\s((?:\d[A-Z0-9]*(?:[-/.]\w{1,20})*))(?![\w])")
_GROUPS = re.compile(r"\d{2,}(?:\s\d{2,}){1,6}(?![\w.,/-])")
_EMAIL = re.compile(r"[A-Za-z0-9._%+'&-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}(?![\w-])")
_PHONE = re.compile(r"\+?\(?\d[\d\s()./–-]{4,28}\d(?:\s?(?:ext|x|extension|Durchwahl)\.?\s?\d{1,6})?", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\s*[<(\[][^<>()\[\]]{0,200}[>)\]]?\s*$")
_NO_VALUES = """
    - -- — n/a na none null tbd tba tbc unknown unbekannt inconnu keine kein ohne siehe see xxx ? … ... pending
    k.a. s.o. entfällt néant ninguno ninguna nessuno geen offen
"""
_NOTHING = frozenset(_NO_VALUES.split())


@dataclass(slots=True)
class Value:
    """A normal form and where in the candidate it was written."""

    start: int
    end: int
    value: Any


@dataclass(slots=True)
class Hint:
    """What the place tells: the language of label or mail, and a remark in brackets ("Amount (EUR)")."""

    language: str | None = None
    remark: str = ""


def find(rule: FieldRule, text: str, hint: Hint) -> Value | None:
    """The first value of the rule's type in a candidate; None when there is none."""
    if text.strip(_EDGES_AND_STOP).casefold() in _NOTHING:
        return None
    return _FINDERS[rule.type](rule, text, hint)


def ambiguous(rule: FieldRule, text: str) -> list[Any]:
    """Readings of a candidate that is no value because it has several."""
    return list(dates.ambiguous(text)) if rule.type == "date" else []


def _text(_rule: FieldRule, text: str, _hint: Hint) -> Value | None:
    return _trimmed(text, 0, len(text))


def _trimmed(text: str, start: int, end: int) -> Value | None:
    value = text[start:end].lstrip(_EDGES)
    start = end - len(value)
    value = value.rstrip(_EDGES)
    return Value(start, start + len(value), value) if any(map(str.isalnum, value)) else None


def _name(_rule: FieldRule, text: str, _hint: Hint) -> Value | None:
    end = len(text)
    if bracket := _IN_BRACKETS.search(text):
        end = bracket.start()
    value = _trimmed(text, 0, end)
    if value is None or len(value.value) > MAX_NAME or "@" in value.value or "://" in value.value:
        return None
    letters = sum(map(str.isalpha, value.value))
    digits = sum(map(str.isdigit, value.value))
    if letters < 2 or letters <= 2 * digits:
        return None
    words = value.value.split()
    capital = sum(word[0].isupper() for word in words)
    # Names of more than four words have capitals; a sentence ("we would like to …") has not.
    return value if len(words) <= 4 or (len(words) <= 12 and 2 * capital >= len(words)) else None


def _reference(_rule: FieldRule, text: str, _hint: Hint) -> Value | None:
    """A token with a digit in it, or with capitals only; `AB 1234` and `12 345 678` are one reference."""
    value = _trimmed(text, 0, len(text))
    if value is None:
        return None
    start = value.start
    for pattern in (_PREFIXED, _GROUPS):
        if found := pattern.match(text, start):
            return Value(start, found.end(), found[0])
    found = _REFERENCE.match(text, start)
    if found is None or len(found[1]) > MAX_REFERENCE or text[found.end() : found.end() + 1] == "@":
        return None
    word = found[1]
    if len(word) < 4 and word.isdigit() and text[found.end() : value.end].strip()[:1].isalpha():
        return None  # "12 chairs"
    alone = found.end() >= value.end
    if any(map(str.isdigit, word)) or (alone and len(word) >= 4 and word.isupper()):
        return Value(found.start(1), found.end(1), word)
    return None


def _order(rule: FieldRule, hint: Hint) -> str | None:
    return rule.order or ("DMY" if hint.language in DAY_FIRST else None)


def _date(rule: FieldRule, text: str, hint: Hint) -> Value | None:
    found = dates.find(text, _order(rule, hint)) or dates.find_foreign(text)
    return Value(*found) if found else None


def _datetime(rule: FieldRule, text: str, hint: Hint) -> Value | None:
    found = dates.find_moment(text, _order(rule, hint))
    return Value(*found) if found else None


def _decimal_mark(hint: Hint) -> str | None:
    if hint.language is None:
        return None
    return "," if hint.language in DECIMAL_COMMA else "."


def _money(rule: FieldRule, text: str, hint: Hint) -> Value | None:
    default = money.code_of(hint.remark, rule.currency) or rule.currency
    found = money.find(text, default, _decimal_mark(hint))
    return Value(*found) if found else None


def _number(_rule: FieldRule, text: str, hint: Hint) -> Value | None:
    for found in NUMBER.finditer(text):
        number = parse(found[0], Mark(_decimal_mark(hint)))
        if number is not None:
            start = found.end() - len(found[0].lstrip())
            whole = number == number.to_integral_value()
            return Value(start, found.end(), int(number) if whole else float(number))
    return None


def _phone(rule: FieldRule, text: str, _hint: Hint) -> Value | None:
    found = _PHONE.search(text)
    if found is None or (rule.region is None and "+" not in found[0] and not found[0].startswith("00")):
        # Without a country nobody knows whose number it is.
        return None
    import phonenumbers  # slow to import, and most mail has no number to look at

    written = found[0]
    international = "+" + written[2:] if rule.region is None and written.startswith("00") else written
    try:
        number = phonenumbers.parse(international, rule.region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return Value(found.start(), found.end(), phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _email(_rule: FieldRule, text: str, _hint: Hint) -> Value | None:
    found = _EMAIL.search(text)
    return Value(found.start(), found.end(), found[0].lower()) if found else None


_FINDERS = {
    "text": _text,
    "reference": _reference,
    "name": _name,
    "date": _date,
    "datetime": _datetime,
    "money": _money,
    "number": _number,
    "phone": _phone,
    "email": _email,
}

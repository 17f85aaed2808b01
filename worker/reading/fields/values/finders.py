"""Finds a value of any type in a candidate."""

import re
from collections.abc import Callable

from worker.reading.fields.rules import FieldRule
from worker.reading.fields.values import dates, money, phones, texts
from worker.reading.fields.values.currencies import find_remark
from worker.reading.fields.values.numbers import NUMBER, NumberFormat, is_part_of_a_word, read_number
from worker.reading.fields.values.value import FieldValue, Hint, Readings
from worker.reading.fields.vocabulary import LANGUAGES

_EDGES = " \t\n*_\"'`„“”«»|;,>."
_NO_VALUES = """
    -, --, ---, —, –, n/a, n.a, na, none, null, nil, tbd, tba, tbc, unknown, not known, not applicable, not
    available, to be confirmed, to be advised, to follow, as above, same as above, same, as before, see signature,
    see above, see below, see attached, see attachment, attached, pending, unbekannt, inconnu, keine, kein, ohne,
    siehe, siehe oben, siehe anlage, see, xxx, ?, …, ..., k.a, s.o, entfällt, néant, ninguno, ninguna, nessuno,
    geen, offen, onbekend, brak, nieznany, okänt, saknas, ukendt, ingen, ukjent, ei ole, ei tiedossa, yok,
    bilinmiyor, não se aplica, desconhecido, nenhum, není, neznámé, άγνωστο, なし, 不明, 未定
"""
_NOTHING = frozenset(" ".join(entry.split()) for entry in _NO_VALUES.split(","))
_URL = re.compile(r"(?:https?://|www\.)\S{1,500}", re.IGNORECASE)
#: "12kg", but not "3rd".
_UNIT = re.compile(r"(?!(?:st|nd|rd|th)\b)[^\W\d_]{1,4}\b")
_DEBIT_OR_CREDIT = re.compile(r"\s?(?:(CR)|DR)\b|-(?!\w)")


def is_blank(text: str) -> bool:
    """Say whether a candidate has no value: it is empty, or it says so ("n/a")."""
    found = text.strip(_EDGES).casefold()
    return not any(map(str.isalnum, found)) or found in _NOTHING


def find_readings(rule: FieldRule, text: str, hint: Hint) -> Readings | None:
    """Return the first thing of the rule's type in a candidate, with all that it may mean; None when there is none."""
    if is_blank(text):
        return None
    if rule.type not in {"text", "email"} and ("://" in text or "www." in text.lower()):
        text = _URL.sub(lambda found: " " * len(found[0]), text)
    return _FINDERS[rule.type](rule, text, hint)


def find_value(rule: FieldRule, text: str, hint: Hint) -> FieldValue | None:
    """Return the first value of the rule's type; None when there is none, or when it is in doubt."""
    found = find_readings(rule, text, hint)
    return found.only if found else None


def _order(rule: FieldRule, hint: Hint) -> str | None:
    return rule.order or (LANGUAGES[hint.language].date_order if hint.language else None) or hint.date_order


def _decimal_mark(hint: Hint) -> str | None:
    return LANGUAGES[hint.language].decimal_mark if hint.language else None


def _date(rule: FieldRule, text: str, hint: Hint) -> Readings | None:
    return dates.find_date(text, _order(rule, hint), hint.sent) or dates.find_foreign(text)


def _datetime(rule: FieldRule, text: str, hint: Hint) -> Readings | None:
    return dates.find_datetime(text, _order(rule, hint), hint.sent)


def _money(rule: FieldRule, text: str, hint: Hint) -> Readings | None:
    if "%" in hint.remark:
        return None
    default = rule.currency or (hint.crown if "kr" in text.lower() else None)
    return money.find_amount(text, find_remark(hint.remark, default) or default, _decimal_mark(hint))


def _number(_rule: FieldRule, text: str, hint: Hint) -> Readings | None:
    """Find a number that is no part of a date or a word; `(5)` and `5-` are negative, as in accounts."""
    dated = dates.find_date(text, None) if len(text) > 4 else None
    for found in NUMBER.finditer(text):
        start, end = found.end() - len(found[0].lstrip()), found.end()
        if dated and start < dated.end and dated.start < end:
            continue
        unit = _UNIT.match(text, end)
        if is_part_of_a_word(text, start, unit.end() if unit else end):
            continue
        if numbers := read_number(text[start:end], NumberFormat(_decimal_mark(hint))):
            after = _DEBIT_OR_CREDIT.match(text, end)
            is_credit = after is not None and (after[1] or after[0] == "-")
            if text[:start].strip() == "(" and text[end : end + 1] == ")":
                start, end, is_credit = text.index("("), end + 1, True
            signed = [-number if is_credit else number for number in numbers]
            whole = [int(each) if each == each.to_integral_value() else float(each) for each in signed]
            return Readings(start, after.end() if after else end, tuple(whole))
    return None


_FINDERS: dict[str, Callable[[FieldRule, str, Hint], Readings | None]] = {
    "text": lambda _rule, text, _hint: texts.find_text(text),
    "reference": lambda _rule, text, _hint: texts.find_reference(text),
    "name": lambda _rule, text, _hint: texts.find_name(text),
    "date": _date,
    "datetime": _datetime,
    "money": _money,
    "number": _number,
    "phone": lambda rule, text, _hint: phones.find_phone(text, rule.region),
    "email": lambda _rule, text, _hint: texts.find_email(text),
}

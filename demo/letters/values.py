"""Draw the values for the `{{…}}` of a letter: new for each mail, and consistent within it.

A letter's `[values]` may have:

    policy = "NGC-#######"                               each # becomes a digit; may contain other {{…}}
    cause = ["fire", "theft"]                            one of them
    sender = ["Jo Ode <jo@a.example>", …]                also {{sender.name}} .first .last .address
    insured = [{ name = "…", town = "…" }, …]            one row: {{insured.name}} {{insured.town}}
    loss = { days = [-9, -2], as = "%-d %B %Y" }         a working hour so many days from now or from `after = "other"`
    price = { amount = [100, 900], step = 5, as = "1.234,56" }     a number, written like the example
    total = { sum = [["price", "pieces"], ["tax", 0.2]], as = "1.234,56" }     a sum of products of values and numbers
{{year}} and {{yy}} are always defined.
"""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from email.utils import parseaddr
from typing import Any

_PLACE = re.compile(r"\{\{(\w+)(?:\.(\w+))?\}\}")
_EXAMPLE = re.compile(r"1(?P<group>\D?)234(?:(?P<mark>\D)(?P<decimals>\d+))?")

#: Names of the months as a date has them; strftime gives the English ones.
MONTHS = {
    "cs": "ledna února března dubna května června července srpna září října listopadu prosince",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
}


@dataclass(frozen=True)
class DrawnValue:
    """One value: its text, its number or moment if it has one, and its parts, such as `sender.first`."""

    text: str
    number: Decimal = Decimal(0)
    moment: datetime | None = None
    parts: Mapping[str, str] = field(default_factory=dict)


Values = dict[str, DrawnValue]


def fill(template: str, values: Values, escape: Callable[[str], str] = str) -> str:
    """Return *template* with its values, each passed through *escape*. Raises KeyError for an undefined value."""

    def place(match: re.Match[str]) -> str:
        name, part = match.groups()
        return escape(values[name].parts[part] if part else values[name].text)

    return _PLACE.sub(place, template)


def draw(rules: Mapping[str, Any], *, language: str, now: datetime, pick: random.Random, known: Values) -> Values:
    """Return *known* and the drawn values of a letter's `[values]`; the same state of *pick* draws the same values."""
    values = {"year": DrawnValue(now.strftime("%Y")), "yy": DrawnValue(now.strftime("%y")), **known}
    for name, kind in rules.items():
        values[name] = _draw_one(kind, values, language=language, now=now, pick=pick)
    return values


def _draw_one(kind: Any, values: Values, *, language: str, now: datetime, pick: random.Random) -> DrawnValue:
    match kind:
        case str():
            return _text(kind, values, pick)
        case list():
            chosen = pick.choice(kind)
            return _row(chosen, values, pick) if isinstance(chosen, dict) else _text(chosen, values, pick)
        case {"days": [earliest, latest], "as": style}:
            start = values[kind["after"]].moment if "after" in kind else now
            assert start is not None, f"{kind['after']!r} is no date"
            day = start + timedelta(days=pick.randint(earliest, latest))
            moment = day.replace(hour=pick.randint(8, 17), minute=pick.randrange(60))
            return DrawnValue(_write_moment(moment, style, language), moment=moment)
        case {"amount": [low, high], "as": style}:
            # Through text, since a float such as 0.1 is not exact.
            low, high, step = (Decimal(str(number)) for number in (low, high, kind.get("step", 1)))
            return _number(low + step * pick.randint(0, int((high - low) / step)), style)
        case {"sum": terms, "as": style}:
            return _number(sum((_product(term, values) for term in terms), Decimal(0)), style)
    raise ValueError(f"no kind of value: {kind!r}; a text, a list, or a table with days, amount or sum, and as")


def _text(template: str, values: Values, pick: random.Random) -> DrawnValue:
    text = re.sub("#", lambda _: str(pick.randint(1, 9)), fill(template, values))
    name, address = parseaddr(text) if text.endswith(">") else ("", "")
    if not address:
        return DrawnValue(text)
    words = name.split()
    return DrawnValue(text, parts={"name": name, "first": words[0], "last": words[-1], "address": address})


def _row(row: Mapping[str, str], values: Values, pick: random.Random) -> DrawnValue:
    parts = {name: _text(text, values, pick).text for name, text in row.items()}
    return DrawnValue(" ".join(parts.values()), parts=parts)


def _product(term: list[str | float], values: Values) -> Decimal:
    product = Decimal(1)
    for factor in term:
        product *= values[factor].number if isinstance(factor, str) else Decimal(str(factor))
    return product


def _number(number: Decimal, style: str) -> DrawnValue:
    """Return *number* in the format of the example *style*: `1,234`, `1.234,56`, `1 234.5` and so on."""
    example = _EXAMPLE.fullmatch(style)
    assert example, f"no example of a number: {style!r}; one thousand two hundred and thirty-four, such as 1,234.56"
    decimals = len(example["decimals"] or "")
    number = number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    marks = {",": example["group"], ".": example["mark"] or ""}
    return DrawnValue("".join(marks.get(sign, sign) for sign in f"{number:,}"), number=number)


def _write_moment(moment: datetime, style: str, language: str) -> str:
    if language in MONTHS:
        style = style.replace("%B", MONTHS[language].split()[moment.month - 1])
    # One directive at a time: strftime fails on characters that the locale of the machine does not have.
    return re.sub(r"%-?[A-Za-z]", lambda directive: moment.strftime(directive[0]), style)

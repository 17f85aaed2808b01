"""Amounts of money: a number with the currency beside it."""

import re
from decimal import Decimal

from worker.reading.fields.numbers import NUMBER, Mark, parse, scale

_SYMBOL_NAMES = """
    € EUR £ GBP $ USD ¥ JPY ￥ JPY 円 JPY ₹ INR ₩ KRW ₽ RUB ₺ TRY ₪ ILS ₴ UAH
    zł PLN kč CZK ft HUF fr. CHF sfr. CHF sfr CHF us$ USD usd$ USD a$ AUD au$ AUD c$ CAD ca$ CAD nz$ NZD
    s$ SGD hk$ HKD r$ BRL mx$ MXN rs. INR euro EUR euros EUR dollars USD dollar USD pounds GBP francs CHF
    franken CHF kr - kr. - руб RUB руб. RUB р. RUB р RUB грн UAH грн. UAH lei RON leu RON лв BGN лв. BGN tl TRY
    kd KWD rm MYR rs INR zl PLN nt$ TWD nis ILS
"""
_SYMBOLS = dict(zip(_SYMBOL_NAMES.split()[::2], _SYMBOL_NAMES.split()[1::2], strict=True))
_CODE_NAMES = """
    EUR USD GBP CHF JPY CNY SEK NOK DKK PLN CZK HUF RON BGN TRY RUB UAH ILS INR KRW AUD CAD NZD SGD HKD BRL MXN ZAR AED
    SAR KWD BHD OMR JOD TND QAR EGP MAD THB IDR MYR PHP VND TWD ARS CLP COP PEN ISK
"""
_CODES = frozenset(_CODE_NAMES.split())
#: Currencies whose `$` a rule may mean.
_DOLLARS = frozenset({"USD", "AUD", "CAD", "NZD", "SGD", "HKD", "MXN", "TWD", "CLP", "COP", "ARS", "BRL"})
_CROWNS = frozenset({"SEK", "NOK", "DKK", "ISK"})
#: Digits behind the decimal mark, where that is not two.
_PLACES = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "VND": 0, "KWD": 3, "BHD": 3, "OMR": 3, "JOD": 3, "TND": 3}
#: Currencies that are written with a decimal point wherever they are used in business mail.
_POINT = frozenset({"USD", "GBP", "CHF", "AUD", "CAD", "NZD", "SGD", "HKD", "JPY", "INR", "CNY"})

_NAMES = "|".join(sorted((re.escape(symbol) for symbol in _SYMBOLS), key=len, reverse=True))
_BEFORE = re.compile(rf"([-−]?)\s?(?:(?<![A-Za-z])([A-Z]{{3}})|((?:{_NAMES})))\s?([-−]?)\s?$", re.IGNORECASE)
_AFTER = re.compile(rf"\s?(?:([A-Z]{{3}})(?![A-Za-z])|((?:{_NAMES}))(?![A-Za-z]))", re.IGNORECASE)
_BROKEN_AFTER = re.compile(r"(?<=[.,])\s\d{2}(?!\d)|[€$£¥]\d|\xa0\d")
_BROKEN_BEFORE = re.compile(r"\d(?:[.,]\s|\xa0|[€$£¥])$")
#: A number without a currency is an amount only at the start and not before a word: "3 items", "see invoice 4711".
_STANDS_ALONE = re.compile(
    r"[\s~≈:=*+(]*(?:(?:ca|circa|about|approx|approximately|env|environ|aprox|rund)\.?\s?)?", re.IGNORECASE
)
_WORD_AFTER = re.compile(
    r"\s{0,3}(?!net\b|gross\b|brutto\b|netto\b|incl|inkl|excl|zzgl|ttc\b|ht\b)[^\W\d_]", re.IGNORECASE
)
_PERCENT = re.compile(r"\s?(?:%|percent|Prozent|pour ?cent)", re.IGNORECASE)


def find(text: str, default: str | None, mark: str | None) -> tuple[int, int, dict[str, str]] | None:
    """(start, end, value) of the first amount. An amount beside a currency is preferred to a bare number."""
    bare: tuple[int, int, dict[str, str]] | None = None
    for found in NUMBER.finditer(text):
        if _BROKEN_AFTER.match(text, found.end()) or _BROKEN_BEFORE.search(
            text, max(0, found.start() - 3), found.start()
        ):
            continue  # "1.837, 32": nobody knows where this number ends
        amount = _amount(text, found.start(), found.end(), default, mark)
        if amount is None:
            continue
        start, end, value, named = amount
        if named:
            return start, end, value
        if bare is None and _STANDS_ALONE.fullmatch(text[:start]) and not _WORD_AFTER.match(text, end):
            bare = start, end, value
    return bare


def _amount(
    text: str, start: int, end: int, default: str | None, mark: str | None
) -> tuple[int, int, dict[str, str], bool] | None:
    start += len(text[start:end]) - len(text[start:end].lstrip())
    end -= len(text[start:end]) - len(text[start:end].rstrip(" .,"))
    power, scaled = scale(text, end)
    before = _BEFORE.search(text, max(0, start - 12), start)
    after = _AFTER.match(text, scaled)
    currency = None
    negative = False
    if before and (currency := _currency(before[2], before[3], default)) is not None:
        negative = bool(before[1] or before[4])
    first = before.start() if before and currency is not None else start
    first += len(text[first:start]) - len(text[first:start].lstrip())
    last = scaled if power else end
    if currency is None and after and (currency := _currency(after[1], after[2], default)) is not None:
        last = after.end()
    if currency is None and (_PERCENT.match(text, last) or _is_part_of_a_word(text, start, last)):
        return None
    named = currency or default
    number = parse(text[start:end], _mark(named, mark))
    if number is None:
        return None
    number = (-number if negative else number).scaleb(power)
    value = {"amount": _written(number, _PLACES.get(named or "", 2))}
    if named:
        value["currency"] = named
    return first, last, value, currency is not None


def _mark(currency: str | None, mark: str | None) -> Mark:
    if mark is None and currency in _POINT:
        mark = "."
    return Mark(mark, _PLACES.get(currency or "", 2))


def _currency(code: str | None, symbol: str | None, default: str | None) -> str | None:
    """ISO code, "" for a currency that cannot be told (kr), None when it is no currency."""
    if code is not None:
        return code.upper() if code.upper() in _CODES else None
    if symbol is None:
        return None
    if symbol == "$" and default in _DOLLARS:
        return default
    if symbol.lower().startswith("kr"):
        return default if default in _CROWNS else ""
    return _SYMBOLS[symbol.lower()]


def _is_part_of_a_word(text: str, start: int, end: int) -> bool:
    """`88-123`, `12/03`, `3rd`: digits of something else."""
    before, after = text[max(0, start - 1) : start], text[end : end + 2]
    joined = (after[:1] in {"-", ":", "'", "’", "."} and after[1:].isalnum()) or (
        after[:1] == "/" and after[1:].isdigit()
    )
    return after[:1].isalpha() or joined or before.isalnum() or before in {"/", "-", "#", "_", ":"}


def _written(number: Decimal, places: int) -> str:
    """Plain digits with at least the currency's decimals: equal amounts are written alike."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent < places:
        number = number.quantize(Decimal(1).scaleb(-places))
    return f"{number:f}"


def code_of(remark: str, default: str | None) -> str | None:
    """The currency that a remark such as "in EUR" or "€" names."""
    for word in remark.split():
        code = word.strip("()[].,:")
        currency = _currency(code, None, default) if len(code) == 3 and code.isalpha() else None
        currency = currency or (_currency(None, code, default) if code.lower() in _SYMBOLS else None)
        if currency:
            return currency
    return None

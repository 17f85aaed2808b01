"""Finds amounts of money: a number with its sign and the currency beside it."""

import re
from dataclasses import dataclass
from decimal import Decimal

from worker.reading.fields.values.currencies import PLACES, SIGNS, find_code, find_name
from worker.reading.fields.values.numbers import NUMBER, NumberFormat, is_part_of_a_word, read_number, scale
from worker.reading.fields.values.value import Readings

#: Currencies that are written with a decimal point in all business mail.
_POINT = frozenset({"USD", "GBP", "CHF", "AUD", "CAD", "NZD", "SGD", "HKD", "JPY", "INR", "CNY"})
#: Characters before a number in which its currency and sign are.
_BEFORE_LENGTH = 16


def _is_word(sign: str) -> bool:
    """Say whether blanks are around a sign, as around words; Chinese, Japanese and Korean have none."""
    return sign[0].isalpha() and sign[0] < "\u3000"


_LONGEST_FIRST = sorted(SIGNS, key=len, reverse=True)
_LETTERS = "|".join(re.escape(sign) for sign in _LONGEST_FIRST if _is_word(sign))
_MARKS = "|".join(re.escape(sign) for sign in _LONGEST_FIRST if not _is_word(sign))
#: `A$`, `US$` are letters and a mark; `R` before `$` must not be cut off.
_CURRENCY = rf"(?:(?<![^\W\d_])(?:[A-Z]{{1,3}}\s?\$|{_LETTERS}|[A-Z]{{3}})(?=[\s\d().−–-]|$)|{_MARKS})"
_CURRENCY_AFTER = rf"(?:(?:{_LETTERS}|[A-Z]{{3}})(?![^\W\d_])|{_MARKS})"
_BEFORE = re.compile(
    rf"(?P<open>\()?\s?(?P<sign>[-−–])?\s?(?P<currency>{_CURRENCY})?\)?\s{{0,4}}(?P<inner>\()?\s?(?P<near>[-−–])?\s?$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"(?P<near>[-−–](?![\w€$£¥]|\s\d))?(?P<inner>\))?(?:\s?(?P<currency>{_CURRENCY_AFTER}))?"
    r"(?P<sign>[-−–](?![\w€$£¥]|\s\d))?(?P<close>\))?(?:\s?(?P<entry>CR|DR)\b\.?)?(?P<loose>\s-(?=\s*$))?",
    re.IGNORECASE,
)
_BROKEN_AFTER = re.compile(r"(?<=[.,])\s\d{2}(?!\d)|[€$£¥]\d|\xa0\d")
_BROKEN_BEFORE = re.compile(r"\d(?:[.,]\s|\xa0|[€$£¥])$")
#: What shows that the amount is the first of a range.
_RANGE = re.compile(rf"\s?(?:[-–—~]|to|bis|tot|até|hasta|til)\s?{_CURRENCY}?\s?(?=\d)", re.IGNORECASE)
#: "between 400 and 600": without the word before it, "and" begins another amount.
_BETWEEN = re.compile(
    r"(?:between|zwischen|entre|tra|fra|tussen|między|mellan|mellem|mellom|mezi|välillä|μεταξύ)[\s(]{1,3}$",
    re.IGNORECASE,
)
_AND = re.compile(rf"\s?(?:and|und|et|y|e|en|i|och|og|a|ja|και|&)\s{_CURRENCY}?\s?(?=\d)", re.IGNORECASE)
#: "500-800", and its second number.
_JOINED_RANGE = re.compile(r"(?<![\w.,/-])(?:^|[^\w/#_:-])?\d[\d.,]{0,30}[-–]\d[\d.,]{0,30}(?![\w/-])")
_END_OF_RANGE = re.compile(r"\d[-–](?=\d)")
#: A number without a currency is an amount only at the start and not before a word: "3 items", "see invoice 4711".
_STANDS_ALONE = re.compile(
    r"[\s~≈:=*+]*(?:(?:ca|circa|about|approx|approximately|env|environ|aprox|rund)\.?\s?)?", re.IGNORECASE
)
_WORD_AFTER = re.compile(
    r"\s{0,3}(?!net\b|gross\b|brutto\b|netto\b|incl|inkl|excl|zzgl|ttc\b|ht\b)[^\W\d_]", re.IGNORECASE
)
_PERCENT = re.compile(r"\s?(?:%|percent|Prozent|pour ?cent)", re.IGNORECASE)


@dataclass(slots=True)
class _Amount:
    start: int
    end: int
    values: tuple[Decimal, ...]
    currency: str
    #: Whether a currency is beside the number.
    is_named: bool

    def readings(self, last: "_Amount | None") -> Readings:
        """Return what it may mean; *last* is the other end of a range."""
        currency, end, values = self.currency, self.end, self.values
        if last is not None:
            currency, end = currency or last.currency, last.end
            values = tuple(dict.fromkeys((*values, *map(abs, last.values))))
        return Readings(self.start, end, tuple([_written(value, currency) for value in values]))


def find_amount(text: str, default: str | None, mark: str | None) -> Readings | None:
    """Return the first amount; one beside a currency is preferred to a bare number. A range has two readings."""
    bare: Readings | None = None
    for found in NUMBER.finditer(text):
        if _END_OF_RANGE.search(text, max(0, found.start() - 3), found.end()):
            continue
        is_joined = _JOINED_RANGE.match(text, max(0, found.start() - 1)) is not None
        amount = _amount(text, found.start(), found.end(), default, mark, is_joined=is_joined)
        if amount is None:
            continue
        last = _end_of_range(text, amount, default, mark)
        if is_joined and last is None:
            continue
        if amount.is_named or (last and last.is_named):
            return amount.readings(last)
        if bare is None and _STANDS_ALONE.fullmatch(text[: amount.start]) and not _WORD_AFTER.match(text, amount.end):
            bare = amount.readings(last)
    return bare


def _end_of_range(text: str, amount: _Amount, default: str | None, mark: str | None) -> _Amount | None:
    """Return the second amount of "500 - 800 EUR"."""
    between = _RANGE.match(text, amount.end)
    if between is None and _BETWEEN.search(text, max(0, amount.start - _BEFORE_LENGTH), amount.start):
        between = _AND.match(text, amount.end)
    found = NUMBER.match(text, between.end()) if between else None
    if found is None:
        return None
    return _amount(text, found.start(), found.end(), amount.currency or default, mark, is_joined=True)


def _amount(
    text: str, start: int, end: int, default: str | None, mark: str | None, *, is_joined: bool
) -> _Amount | None:
    """Return the amount at a number, with what stands around it; None when the number is none.

    *is_joined*: only a hyphen is between this number and that of the other end of a range.
    """
    if _BROKEN_AFTER.match(text, end) or _BROKEN_BEFORE.search(text, max(0, start - 3), start):
        return None  # "1.837, 32": the end of this number is not certain
    start += len(text[start:end]) - len(text[start:end].lstrip(" +-−\n"))
    end = start + len(text[start:end].rstrip(" .,"))
    power, scaled = scale(text, end)
    before = _BEFORE.search(text, max(0, start - _BEFORE_LENGTH), start)
    after = _AFTER.match(text, scaled if power else end)
    if before is None or after is None:
        return None
    first, last = start, scaled
    currency = find_code(before["currency"], default) if before["currency"] else None
    if currency is None and after["currency"] and (currency := find_code(after["currency"], default)) is not None:
        last = after.end("currency")
        if not power:
            power, last = scale(text, last)
    elif currency is not None:
        first = before.start("currency")
    if currency is None and (name := find_name(text, last)):
        last, currency = name
    first, last, is_negative = _signed(text, before, after, first, last, has_currency=currency is not None)
    is_other = not is_joined and is_part_of_a_word(text, first, last)
    if currency is None and (is_other or _PERCENT.match(text, last)):
        return None
    named = currency or default or ""
    numbers = read_number(text[start:end], _format(named, mark))
    values = tuple((-number if is_negative else number).scaleb(power) for number in numbers)
    if after["loose"] and not is_negative:  # "500 -" may be negative, or have no cents
        values += tuple(-value for value in values)
    return _Amount(first, last, values, named, currency is not None) if values else None


def _signed(
    text: str, before: re.Match[str], after: re.Match[str], first: int, last: int, *, has_currency: bool
) -> tuple[int, int, bool]:
    """Return (start, end, whether it is negative): `-5`, `5-`, `(5)`, `5 CR`, with the currency inside or outside."""
    is_negative = False
    for opened, closed in (("open", "close"), ("inner", "inner"), ("open", "inner"), ("inner", "close")):
        # "10 items (EUR 500)" is a remark.
        if before[opened] and after[closed] and _STANDS_ALONE.fullmatch(text[: before.start()]):
            first, last = min(first, before.start(opened)), max(last, after.end(closed))
            is_negative = True
            break
    for name in ("sign", "near"):
        # After a digit or a letter it is a hyphen: "88-123", "500 - 800".
        if before[name] and (name == "near" or has_currency or not before["currency"]):
            earlier = text[: before.start(name)].rstrip(" ")[-1:]
            if not earlier.isalnum() or (name == "near" and before["currency"]):
                first, is_negative = min(first, before.start(name)), True
        if after[name] and (name == "near" or has_currency):
            last, is_negative = max(last, after.end(name)), True
    if after["entry"] and after["entry"].isupper() | after["entry"].istitle():
        last = after.end("entry")
        is_negative |= after["entry"].upper() == "CR"
    return first, last, is_negative


def _format(currency: str, mark: str | None) -> NumberFormat:
    if mark is None and currency in _POINT:
        mark = "."
    return NumberFormat(mark, PLACES.get(currency, 2))


def _written(number: Decimal, currency: str) -> dict[str, str]:
    """Write plain digits with at least the currency's decimals, so that equal amounts look alike."""
    places, exponent = PLACES.get(currency, 2), number.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent < places:
        number = number.quantize(Decimal(1).scaleb(-places))
    return {"amount": f"{number:f}"} | ({"currency": currency} if currency else {})

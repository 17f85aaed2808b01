"""Reads numbers as people write them: with points, commas, blanks and apostrophes for thousands and decimals."""

import re
from dataclasses import dataclass
from decimal import Decimal

#: A number with its separators. The caller examines sign, currency and unit.
NUMBER = re.compile(
    r"(?<![\d.,])[-+−]?\s?(?:\d{1,3}(?:[ '’`]\d{3}){1,6}|\d[\d.,]{0,30})(?:[.,]\d{1,20}|(?<=[.,])[-–—]{1,2})?", re.ASCII
)
#: Digits in a number.
MAX_DIGITS = 25

#: Power of ten → words for it.
_SCALE_NAMES = {
    3: "k tsd thousand tausend mille mil mila duizend tys tysięcy tuhatta χιλ",
    4: "万 萬",
    6: (
        "m mn mio mln million millions millionen millones millón milioni miljoen miljoner miljon millioner milyon"
        " milhões milhão milionů miljoonaa εκατ"
    ),
    8: "億 亿",
    9: (
        "bn mrd mld billion milliarden milliard milliards miliardi miljard miljarder milliarder milyar bilhões"
        " miljardia"
    ),
}
_SCALES = {name: power for power, names in _SCALE_NAMES.items() for name in names.split()}
#: "500,-" and "500.—": no cents; it shows the decimal mark as well.
_NO_CENTS = re.compile(r"([.,])[-–—]{1,2}$")
_SCALE = re.compile(r"\s?([万萬億亿]|[^\W\d_]{1,10}\.?(?![\w]))")


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How numbers are written near this one: decimal mark "." or "," or unknown, and decimals in use."""

    decimal_mark: str | None = None
    places: int = 2


def read_number(written: str, mark: NumberFormat) -> list[Decimal]:
    """Return what it may mean: `3.355` without a hint is three or three thousand; nothing when it is no number."""
    sign = "-" if written.lstrip()[:1] in {"-", "−"} else ""
    body = written.strip(" +")
    if found := _NO_CENTS.search(body):
        body, mark = body[: found.start()], NumberFormat(found[1], mark.places)
    body = body.strip("-−–— ").rstrip(".,").replace(" ", "").replace("’", "'").replace("`", "'")
    apostrophes = "'" in body
    body = body.replace("'", "")
    if not body or sum(map(str.isdigit, body)) > MAX_DIGITS:
        return []
    return [Decimal(sign + plain) for plain in _plain(body, mark, grouped=apostrophes or " " in written.strip())]


def _plain(body: str, mark: NumberFormat, *, grouped: bool) -> list[str]:
    points, commas = body.count("."), body.count(",")
    if not points and not commas:
        return [body] if body.isdigit() else []
    if points and commas:
        decimal = "." if body.rfind(".") > body.rfind(",") else ","
        group = "," if decimal == "." else "."
        whole, _, rest = body.partition(decimal)
        if decimal in rest or group in rest or not _is_grouped(whole, group):
            return []
        return [f"{whole.replace(group, '')}.{rest}"]
    separator = "." if points else ","
    if points + commas > 1:
        return [body.replace(separator, "")] if _is_grouped(body, separator) and not grouped else []
    whole, _, rest = body.partition(separator)
    if not whole.isdigit() or not rest.isdigit():
        return []
    if len(rest) != 3 or grouped or whole == "0" or len(whole) > 3:
        return [f"{whole}.{rest}"]
    return _of_three(whole, rest, separator, mark)


def _of_three(whole: str, rest: str, separator: str, mark: NumberFormat) -> list[str]:
    """Read one separator with three digits after it as thousands or decimals, as the format says; else as both."""
    decimals, thousands = f"{whole}.{rest}", whole + rest
    if mark.places == 3:
        return [decimals]
    if mark.decimal_mark is None:
        return [thousands] if separator == "," else [decimals, thousands]
    if separator == mark.decimal_mark:
        # People write no amount with a decimal comma and three decimals, but with a point they do ("3.355 USD a unit").
        return [decimals] if separator == "." else [decimals, thousands]
    return [thousands]


def is_part_of_a_word(text: str, start: int, end: int) -> bool:
    """Say whether digits belong to something else: `88-123`, `12/03`, `3rd`."""
    before, after = text[max(0, start - 1) : start], text[end : end + 2]
    joined = (after[:1] in {"-", ":", "'", "’", "."} and after[1:].isalnum()) or (
        after[:1] == "/" and after[1:].isdigit()
    )
    return after[:1].isalpha() or joined or before.isalnum() or before in {"/", "-", "#", "_", ":"}


def _is_grouped(body: str, separator: str) -> bool:
    """Say whether every group has three digits, or two as in India (12,34,567)."""
    first, *groups = body.split(separator)
    if not groups or not 1 <= len(first) <= 3 or not all(group.isdigit() for group in [first, *groups]):
        return not groups and first.isdigit()
    return all(len(group) == 3 for group in groups) or (
        separator == "," and len(groups[-1]) == 3 and all(len(group) == 2 for group in groups[:-1])
    )


def scale(text: str, at: int) -> tuple[int, int]:
    """Return (power of ten, end) of a word like `million`, `k`, `Mio.` at an offset; (0, at) without one."""
    found = _SCALE.match(text, at)
    power = _SCALES.get(found[1].lower().rstrip("."), 0) if found else 0
    return (power, found.end()) if power and found else (0, at)

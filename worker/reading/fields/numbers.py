"""Numbers as people write them: with points, commas, blanks and apostrophes for thousands and decimals."""

import re
from dataclasses import dataclass
from decimal import Decimal

#: A number with its separators; sign, currency and unit are looked at by the caller.
NUMBER = re.compile(
    r"(?<![\d.,])[-+−]?\s?(?:\d{1,3}(?:[ '’`]\d{3}){1,6}|\d[\d.,]{0,30})(?:[.,]\d{1,20}|(?<=[.,])[-–—]{1,2})?", re.ASCII
)
#: Digits in a number.
MAX_DIGITS = 25

#: Power of ten → words for it.
_SCALE_NAMES = {
    3: "k tsd thousand tausend mille mil mila duizend",
    6: "m mn mio million millions millionen millones millón milioni miljoen",
    9: "bn mrd billion milliarden milliard milliards miliardi miljard",
}
_SCALES = {name: power for power, names in _SCALE_NAMES.items() for name in names.split()}
#: "500,-" and "500.—": no cents; it tells the decimal mark as well.
_NO_CENTS = re.compile(r"([.,])[-–—]{1,2}$")
_SCALE = re.compile(r"\s?([A-Za-zóÓ]{1,10})\.?(?![\w])")


@dataclass(frozen=True, slots=True)
class Mark:
    """How numbers are written where this one stands: decimal mark "." or "," or unknown, and decimals in use."""

    decimal: str | None = None
    places: int = 2


def parse(written: str, mark: Mark) -> Decimal | None:
    """The number, or None when it cannot be told: `3.355` without a hint may be three or three thousand."""
    sign = "-" if written.lstrip()[:1] in {"-", "−"} else ""
    body = written.strip(" +")
    if found := _NO_CENTS.search(body):
        body, mark = body[: found.start()], Mark(found[1], mark.places)
    body = body.strip("-−–— ").rstrip(".,").replace(" ", "").replace("’", "'").replace("`", "'")
    apostrophes = "'" in body
    body = body.replace("'", "")
    if not body or sum(map(str.isdigit, body)) > MAX_DIGITS:
        return None
    plain = _plain(body, mark, grouped=apostrophes or " " in written.strip())
    return Decimal(sign + plain) if plain else None


def _plain(body: str, mark: Mark, *, grouped: bool) -> str | None:
    points, commas = body.count("."), body.count(",")
    if not points and not commas:
        return body if body.isdigit() else None
    if points and commas:
        decimal = "." if body.rfind(".") > body.rfind(",") else ","
        group = "," if decimal == "." else "."
        whole, _, rest = body.partition(decimal)
        if decimal in rest or group in rest or not _is_grouped(whole, group):
            return None
        return f"{whole.replace(group, '')}.{rest}"
    separator = "." if points else ","
    if points + commas > 1:
        return body.replace(separator, "") if _is_grouped(body, separator) and not grouped else None
    whole, _, rest = body.partition(separator)
    if not whole.isdigit() or not rest.isdigit():
        return None
    if len(rest) != 3 or grouped or whole == "0" or len(whole) > 3:
        return f"{whole}.{rest}"
    return _of_three(whole, rest, separator, mark)


def _of_three(whole: str, rest: str, separator: str, mark: Mark) -> str | None:
    """One separator with three digits behind it: thousands or decimals, as the place tells; else nobody knows."""
    if mark.places == 3:
        return f"{whole}.{rest}"
    if mark.decimal is None:
        return whole + rest if separator == "," else None
    if separator == mark.decimal:
        # A decimal comma with three decimals is no amount that people write; a decimal point is ("3.355 USD a unit").
        return f"{whole}.{rest}" if separator == "." else None
    return whole + rest


def _is_grouped(body: str, separator: str) -> bool:
    """Whether every group has three digits, or two as in India (12,34,567)."""
    first, *groups = body.split(separator)
    if not groups or not 1 <= len(first) <= 3 or not all(group.isdigit() for group in [first, *groups]):
        return not groups and first.isdigit()
    return all(len(group) == 3 for group in groups) or (
        separator == "," and len(groups[-1]) == 3 and all(len(group) == 2 for group in groups[:-1])
    )


def scale(text: str, at: int) -> tuple[int, int]:
    """(power of ten, where it ends) of a word like `million`, `k`, `Mio.` at an offset; (0, at) without one."""
    found = _SCALE.match(text, at)
    power = _SCALES.get(found[1].lower(), 0) if found else 0
    return (power, found.end()) if power and found else (0, at)

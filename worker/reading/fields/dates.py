"""Dates and times of one candidate. What can be read in two ways, or needs a clock ("tomorrow"), is not read."""

import re
from collections.abc import Callable
from datetime import date
from unicodedata import combining, normalize

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janner jänner janvier janv enero ene gennaio gen januari",
            "feb february februar feber fevrier fevr fev febrero febbraio februari",
            "mar march marz mrz mars marzo maart mrt maerz",
            "apr april avril avr abril abr aprile",
            "may mai mayo maggio mag mei",
            "jun june juni juin junio giugno giu",
            "jul july juli juillet juil julio luglio lug",
            "aug august aout agosto ago augustus",
            "sep sept september septembre septiembre set settembre setiembre",
            "oct october oktober okt octobre octubre ottobre ott",
            "nov november novembre noviembre",
            "dec december dezember dez decembre diciembre dic dicembre",
        ),
        1,
    )
    for name in names.split()
}
#: Two-digit years up to this one are of this century (as POSIX has it), so that no clock is needed.
PIVOT = 68
_YEARS = range(1900, 2101)
_FOREIGN_LANGUAGES = ["pt", "pl", "sv", "da", "nb", "fi", "cs", "hu", "ro", "tr", "ru", "uk"]

_NUMERIC = re.compile(r"(?<![\d.,/-])(\d{1,4})([./-])\s?(\d{1,2})\2\s?(\d{4}|\d{2})(?![\d/-])(?!\.\d)")
_COMPACT = re.compile(r"(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(?!\d)")
_DAY_MONTH = re.compile(
    r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|er|º|°|\.|ª)?[\s-]{0,3}(?:of |de |d’|d')?([^\W\d_]{3,12})\.?,?"
    r"(?:[\s-]{1,3}(?:de |del )?|[ ]?[’'])(\d{4}|\d{2})(?![\d.,:]\d)(?!\d)"
)
_MONTH_DAY = re.compile(r"(?<!\w)([^\W\d_]{3,12})\.?\s{1,3}(\d{1,2})(?:st|nd|rd|th)?,?\s{1,3}(\d{4})(?!\d)")
_YEAR_FIRST = re.compile(r"(?<![\d.,/-])(\d{4})(?:年\s?|([./-])\s?)(\d{1,2})(?:月\s?|\2\s?)(\d{1,2})日?(?!\d)")
_TIME = re.compile(
    r"[\sT,]{1,3}(?:at |um |à |a las |alle |om |@ ?|- )?(\d{1,2})(?:[:.h](\d{2}))?(?::(\d{2}))?(?:\.\d{1,9})?"
    r"\s?([ap]\.?m\.?)?(?:Uhr|h)?\s?(Z|UTC|GMT|CEST|CET|MEZ|MESZ|[+-]\d{2}:?\d{2})?(?![\w])",
    re.IGNORECASE,
)
_ZONES = {
    "z": "+00:00",
    "utc": "+00:00",
    "gmt": "+00:00",
    "cet": "+01:00",
    "mez": "+01:00",
    "cest": "+02:00",
    "mesz": "+02:00",
}
_FOREIGN = re.compile(r"\d{1,2}\.?\s([^\W\d_]{3,12})(?:\s[^\W\d_]{2,3})?\s(?:19|20)\d\d")


def find(text: str, order: str | None) -> tuple[int, int, str] | None:
    """(start, end, `YYYY-MM-DD`) of the first date. `order` (DMY, MDY, YMD) decides what 03/04/2026 means."""
    found = _first(text, order)
    return None if found is None else (found[0], found[1], found[2].isoformat())


def find_moment(text: str, order: str | None) -> tuple[int, int, str] | None:
    """(start, end, ISO 8601) of the first date with a time; the offset only where it is written."""
    found = _first(text, order)
    if found is None or (time := _TIME.match(text, found[1])) is None:
        return None
    clock = _clock(time)
    if clock is None:
        return None
    return found[0], time.end(), f"{found[2].isoformat()}T{clock}{_offset(time[5])}"


def ambiguous(text: str) -> list[str]:
    """Both readings of the first date that could be day first or month first."""
    for found in _NUMERIC.finditer(text):
        readings = {made.isoformat() for order in ("DMY", "MDY") if (made := _numeric(found, order)) is not None}
        if len(readings) > 1:
            return sorted(readings)
    return []


def _first(text: str, order: str | None) -> tuple[int, int, date] | None:
    readers: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], date | None]], ...] = (
        (_YEAR_FIRST, lambda found: _day(found[1], found[3], found[4])),
        (_NUMERIC, lambda found: _numeric(found, order)),
        (_DAY_MONTH, lambda found: _named(found[3], found[2], found[1])),
        (_MONTH_DAY, lambda found: _named(found[3], found[1], found[2])),
        (_COMPACT, lambda found: _day(found[1], found[2], found[3])),
    )
    best: tuple[int, int, date] | None = None
    for pattern, reading in readers:
        for found in pattern.finditer(text):
            if best is not None and found.start() >= best[0]:
                break
            if (day := reading(found)) is not None:
                best = found.start(), found.end(), day
                break
    return best


def _day(year: str, month: str | int, day: str) -> date | None:
    number = int(year)
    if len(year) == 2:
        number += 2000 if number <= PIVOT else 1900
    try:
        return date(number, int(month), int(day)) if number in _YEARS else None
    except ValueError:
        return None


def _named(year: str, month: str, day: str) -> date | None:
    number = _MONTHS.get(_folded(month))
    return _day(year, number, day) if number else None


def _folded(word: str) -> str:
    return "".join(char for char in normalize("NFKD", word.casefold()) if not combining(char))


def _numeric(found: re.Match[str], order: str | None) -> date | None:
    first, separator, second, year = found.groups()
    if len(first) > 2:
        return None
    if order == "YMD" and len(year) == 2:
        return _day(first, second, year) if len(first) == 2 else None
    if separator == "." or order == "DMY":
        # Points are written day first everywhere.
        return _day(year, second, first)
    if order == "MDY":
        return _day(year, first, second)
    if len(year) == 2:
        return None  # any of the three may be the year
    day_first, month_first = _day(year, second, first), _day(year, first, second)
    if day_first is not None and month_first is not None and day_first != month_first:
        return None
    return day_first or month_first


def _clock(time: re.Match[str]) -> str | None:
    hour, minute, second = int(time[1]), int(time[2] or 0), int(time[3] or 0)
    half = (time[4] or "").lower()[:1]
    if not half and time[2] is None:
        return None
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02}:{minute:02}:{second:02}" if hour < 24 and minute < 60 and second < 60 else None


def _offset(zone: str | None) -> str:
    if not zone:
        return ""
    return _ZONES.get(zone.lower()) or (zone if ":" in zone else f"{zone[:3]}:{zone[3:]}")


def find_foreign(text: str) -> tuple[int, int, str] | None:
    """As `find`, for dates with month names of further languages, by dateparser (slow to import, so last)."""
    found = _FOREIGN.search(text)
    if found is None or _folded(found[1]) in _MONTHS:
        return None
    from dateparser import parse

    settings = {"STRICT_PARSING": True, "REQUIRE_PARTS": ["day", "month", "year"], "DATE_ORDER": "DMY"}
    moment = parse(found[0], languages=_FOREIGN_LANGUAGES, settings=settings)
    return None if moment is None else (found.start(), found.end(), moment.date().isoformat())

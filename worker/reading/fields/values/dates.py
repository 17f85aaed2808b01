"""Finds dates and times in one candidate. What has several readings, or lacks the year, is in doubt."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice

from worker.reading.fields.values.times import find_time
from worker.reading.fields.values.value import Readings
from worker.reading.fields.vocabulary import LANGUAGES
from worker.reading.fields.words import remove_accents

_MONTHS = {
    remove_accents(name): number
    for language in LANGUAGES.values()
    for number, names in enumerate(language.months, 1)
    for name in names.split()
}
#: Days of the week, Monday first → their names in all languages.
_DAYS = [
    {remove_accents(name) for names in day for name in names.split()}
    for day in zip(*(each.weekdays for each in LANGUAGES.values() if each.weekdays), strict=True)
]
_WEEKDAY_BEFORE = re.compile(
    r"(?<![\w-])([^\W\d_]{2,12}(?:-feira)?)\.?,?\s{1,3}(?:the |den |dem |le |el |il |dia |d\. )?$"
)
_WEEKDAY_AFTER = re.compile(r",?\s{0,2}[(（]?([^\W\d_]{1,12}(?:-feira)?)(?![\w-])")
#: Two-digit years up to this one are in this century (as in POSIX), so that no clock is needed.
PIVOT = 68
_YEARS = range(1900, 2101)
#: Dates of a text that are compared.
_MAX_DATES = 200
_FOREIGN_LANGUAGES = ["hu", "ro", "ru", "uk"]

_NUMERIC = re.compile(r"(?<![\d.,/-])(\d{1,4})([./-])\s?(\d{1,2})\2\s?(\d{4}|\d{2})(?![\d/-])(?!\.\d)")
_COMPACT = re.compile(r"(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(?!\d)")
_DAY_MONTH = re.compile(
    r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|er|e(?=\s)|º|°|\.|ª)?(?:[\s-]{0,3}|/)(?:of |de |d’|d')?([^\W\d_]{3,12})\.?,?"
    r"(?:[\s-]{1,3}(?:de |del |of )?|/|[ ]?[’'])(\d{4}|\d{2})(?![\d.,:h]\d)(?!\d)(?!\s?(?:Uhr|[ap]\.?m)\b)"
)
_MONTH_DAY = re.compile(
    r"(?<!\w)([^\W\d_]{3,12})(?:\.?\s{1,3}|[-/])(\d{1,2})(?:st|nd|rd|th)?(?:\s?,?\s{1,3}|[-/])(\d{4})(?!\d)"
)
_YEAR_MONTH = re.compile(r"(?<![\w.,/-])(\d{4})[\s/-]([^\W\d_]{3,12})\.?[\s/-](\d{1,2})(?!\d)")
_YEAR_FIRST = re.compile(r"(?<![\d.,/-])(\d{4})(?:年\s?|([./-])\s?)(\d{1,2})(?:月\s?|\2\s?)(\d{1,2})日?(?!\d)")
_DAY_MONTH_ALONE = re.compile(
    r"(?<![\d.,/-])(\d{1,2})(?:st|nd|rd|th|er|º|°|\.|ª)?[\s-]{0,3}(?:of |de |d’|d')?([^\W\d_]{3,12})(?![^\W_])"
)
_MONTH_DAY_ALONE = re.compile(r"(?<!\w)([^\W\d_]{3,12})\.?\s{1,3}(\d{1,2})(?:st|nd|rd|th)?(?![\w/-]|[.,:]\d)")
_POINTS_ALONE = re.compile(r"(?<![\d.,/-])(\d{1,2})\.\s?(\d{1,2})\.(?!\s?\d)")
_SLASH_ALONE = re.compile(r"\s*(\d{1,2})/(\d{1,2})\s*")
_JAPANESE_ALONE = re.compile(r"(?<![\d年])(\d{1,2})月\s?(\d{1,2})日")
#: The first day of a range that names its month once: "4 - 6 March 2026".
_RANGE_BEFORE = re.compile(r"(?<![\d.,/-])(\d{1,2})(?:st|nd|rd|th|\.)?\s?(?:[-–/]|to|bis|au|al|and|und|et|a)\s?$")
_FOREIGN = re.compile(r"\d{1,2}\.?\s([^\W\d_]{3,12})(?:\s[^\W\d_]{2,3})?\s(?:19|20)\d\d")


@dataclass(slots=True)
class _Days:
    """A date in a text, and the days that it may be."""

    start: int
    end: int
    days: tuple[date, ...]

    def readings(self) -> Readings:
        return Readings(self.start, self.end, tuple(day.isoformat() for day in self.days))


def find_date(text: str, order: str | None, sent: date | None = None) -> Readings | None:
    """Return the first date as `YYYY-MM-DD`. *order* (DMY, MDY, YMD) decides what 03/04/2026 means.

    *sent* is the day of the mail: around it are the years of a date that has none.
    """
    found = _find(text, order, sent)
    return found.readings() if found else None


def find_datetime(text: str, order: str | None, sent: date | None = None) -> Readings | None:
    """Return the first date with a time in ISO 8601; with an offset only where one is written."""
    found = _find(text, order, sent)
    if found is None or (time := find_time(text, found.start, found.end)) is None:
        return None
    start, end, clock = time
    return Readings(start, end, tuple(f"{day.isoformat()}T{clock}" for day in found.days))


def find_order(text: str, start: int, end: int) -> str | None:
    """Return `DMY` or `MDY` if the numeric dates that can be read in one order only all have it."""
    orders = set()
    for found in islice(_NUMERIC.finditer(text, start, end), _MAX_DATES):
        first, separator, second, year = found.groups()
        if separator == "/" and len(first) <= 2 and len(year) == 4:
            day_first, month_first = _day(year, second, first), _day(year, first, second)
            if bool(day_first) != bool(month_first):
                orders.add("DMY" if day_first else "MDY")
    return orders.pop() if len(orders) == 1 else None


def find_foreign(text: str) -> Readings | None:
    """Find as `find_date`, with month names of further languages, by dateparser (slow to import, so last)."""
    found = _FOREIGN.search(text)
    if found is None or remove_accents(found[1]) in _MONTHS:
        return None
    from dateparser import parse

    settings = {"STRICT_PARSING": True, "REQUIRE_PARTS": ["day", "month", "year"], "DATE_ORDER": "DMY"}
    moment = parse(found[0], languages=_FOREIGN_LANGUAGES, settings=settings)
    return None if moment is None else Readings(found.start(), found.end(), (moment.date().isoformat(),))


def _find(text: str, order: str | None, sent: date | None) -> _Days | None:
    if found := _first(text, order):
        return found
    found = _without_year(text, order, sent)
    return found and _on_weekday(text, found)


def _on_weekday(text: str, found: _Days) -> _Days:
    """Let the name of the day beside a date in doubt decide it, if one reading alone is on that day."""
    if len(found.days) < 2:
        return found
    before = _WEEKDAY_BEFORE.search(text, max(0, found.start - 24), found.start)
    after = _WEEKDAY_AFTER.match(text, found.end)
    names = {remove_accents(each[1]) for each in (before, after) if each}
    days = tuple(day for day in found.days if not names.isdisjoint(_DAYS[day.weekday()]))
    return _Days(found.start, found.end, days) if len(days) == 1 else found


def _first(text: str, order: str | None) -> _Days | None:
    """Return the first date; one that is in doubt is made sure by a later one ("03/04/2026, 4 March 2026")."""
    found = sorted(_all(text, order), key=lambda each: each.start)
    if not found:
        return None
    first = _on_weekday(text, found[0])
    if len(first.days) > 1:
        sure = next((each for each in found[1:] if len(each.days) == 1 and each.days[0] in first.days), None)
        return sure or first
    return _with_range(text, first)


def _all(text: str, order: str | None) -> Iterator[_Days]:
    readers: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[date, ...]]], ...] = (
        (_YEAR_FIRST, lambda found: _day(found[1], found[3], found[4])),
        (_NUMERIC, lambda found: _numeric(found, order)),
        (_DAY_MONTH, lambda found: _named(found[3], found[2], found[1])),
        (_MONTH_DAY, lambda found: _named(found[3], found[1], found[2])),
        (_YEAR_MONTH, lambda found: _named(found[1], found[2], found[3])),
        (_COMPACT, lambda found: _day(found[1], found[2], found[3])),
    )
    for pattern, reading in readers:
        for found in pattern.finditer(text):
            if days := reading(found):
                yield _Days(found.start(), found.end(), days)


def _with_range(text: str, found: _Days) -> _Days:
    before = _RANGE_BEFORE.search(text, max(0, found.start - 12), found.start)
    day = found.days[0]
    if before is None or not 1 <= int(before[1]) < day.day:
        return found
    return _Days(before.start(), found.end, (day.replace(day=int(before[1])), day))


def _without_year(text: str, order: str | None, sent: date | None) -> _Days | None:
    """Return a date that lacks the year, as the last such day before *sent* and the next one after it."""
    for pattern, month, day in ((_DAY_MONTH_ALONE, 2, 1), (_MONTH_DAY_ALONE, 1, 2)):
        for found in pattern.finditer(text):
            if number := _MONTHS.get(remove_accents(found[month])):
                return _around(found, sent, (number, int(found[day])))
    if japanese := _JAPANESE_ALONE.search(text):
        return _around(japanese, sent, (int(japanese[1]), int(japanese[2])))
    if points := _POINTS_ALONE.search(text):
        return _around(points, sent, (int(points[2]), int(points[1])))
    if slash := _SLASH_ALONE.fullmatch(text):
        first, second = int(slash[1]), int(slash[2])
        days = {"DMY": [(second, first)], "MDY": [(first, second)], "YMD": [(first, second)]}
        return _around(slash, sent, *days.get(order or "", [(second, first), (first, second)]))
    return None


def _around(found: re.Match[str], sent: date | None, *days: tuple[int, int]) -> _Days | None:
    if not any(_day("2000", month, day) for month, day in days):
        return None
    near: list[date] = []
    for month, day in days if sent else ():
        assert sent
        made = [each for year in range(sent.year - 1, sent.year + 2) for each in _day(str(year), month, day)]
        near += [each for each in made if each <= sent][-1:] + [each for each in made if each > sent][:1]
    return _Days(found.start(), found.end(), tuple(dict.fromkeys(near)) if len(near) > 1 else ())


def _day(year: str, month: str | int, day: str | int) -> tuple[date, ...]:
    number = int(year)
    if len(year) == 2:
        number += 2000 if number <= PIVOT else 1900
    try:
        return (date(number, int(month), int(day)),) if number in _YEARS else ()
    except ValueError:
        return ()


def _named(year: str, month: str, day: str) -> tuple[date, ...]:
    number = _MONTHS.get(remove_accents(month))
    return _day(year, number, day) if number else ()


def _numeric(found: re.Match[str], order: str | None) -> tuple[date, ...]:
    first, separator, second, year = found.groups()
    if len(first) > 2:
        return ()
    if order == "YMD" and len(year) == 2:
        return _day(first, second, year) if len(first) == 2 else ()
    if separator == "." or order == "DMY":
        # Dates with points have the day first in every country.
        return _day(year, second, first)
    if order == "MDY":
        return _day(year, first, second)
    readings = [*_day(year, first, second), *_day(year, second, first)]
    if len(year) == 2 and len(first) == 2:  # any of the three may be the year
        readings += _day(first, second, year)
        return tuple(sorted(set(readings))) if len(set(readings)) > 1 else ()
    return tuple(sorted(set(readings)))

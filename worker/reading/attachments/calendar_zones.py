"""Keeps the time zones of a calendar that its event names, if they are as simple as mail programs write them.

The library finds the offset of a time by going through all changes before it. So only a few rules are kept, each with
one change a year between 1970 and 2100.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

#: Periods of standard and daylight time in one zone.
MAX_PERIODS = 4
FIRST_YEAR, LAST_YEAR = 1970, 2100

_NAMED = re.compile(r"(?:DTSTART|DTEND)\b[^:\"]{0,200};TZID=(?:\"([^\"]{1,200})\"|([^\":;]{1,200}))", re.IGNORECASE)
_TZID = re.compile(r"TZID(?:;[^:]{0,200})?:(.{1,200})", re.IGNORECASE)
_BEGIN = re.compile(r"BEGIN:(STANDARD|DAYLIGHT)", re.IGNORECASE)
_FIELD = re.compile(r"(DTSTART|RRULE|TZOFFSETFROM|TZOFFSETTO|RDATE)(?:;[^:]{0,200})?:(.{1,200})", re.IGNORECASE)
_OFFSET = re.compile(r"[+-](?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?")
_TIME = re.compile(r"(\d{4})(\d{4})(?:T(\d{6}))?")
#: What a rule may consist of. Those without a month, or with many days, change more than once a year.
_RULE_PART = re.compile(
    r"FREQ=YEARLY|INTERVAL=1|WKST=[A-Z]{2}|BYMONTH=\d{1,2}|BYDAY=[+-]?[1-5]?(?:MO|TU|WE|TH|FR|SA|SU)"
    r"|BYMONTHDAY=-?\d{1,2}(?:,-?\d{1,2}){0,6}|UNTIL=\d{8}(?:T\d{6}Z?)?"
)


def named_zones(event: Iterable[str]) -> set[str]:
    """Return the names of the zones in which the event begins and ends."""
    found = (_NAMED.match(line) for line in event)
    return {(each[1] or each[2]).strip() for each in found if each}


def simple_zone(lines: Iterable[str], names: set[str]) -> list[str]:
    """Return the lines between BEGIN and END of a zone, made simple; [] for one that is not in *names*, or not simple.

    Without its zone the library takes a zone that is known by that name, else a time has no offset.
    """
    name, periods = "", list[tuple[str, dict[str, str]]]()
    for line in lines:
        if found := _BEGIN.fullmatch(line.strip()):
            periods.append((found[1].upper(), {}))
        elif not periods:
            found = _TZID.fullmatch(line.rstrip())
            name = found[1].strip() if found else name
        elif found := _FIELD.fullmatch(line.strip()):
            periods[-1][1].setdefault(found[1].upper(), found[2].strip())
    if name not in names or not 1 <= len(periods) <= MAX_PERIODS:
        return []
    made = [_period(kind, fields) for kind, fields in periods]
    return [f"TZID:{name}", *(line for each in made for line in each)] if all(made) else []


def _period(kind: str, fields: dict[str, str]) -> list[str]:
    """Return the lines of one period; [] if it is not simple."""
    start, rule = fields.get("DTSTART", ""), fields.get("RRULE", "").upper()
    offsets = [(name, fields.get(name, "")) for name in ("TZOFFSETFROM", "TZOFFSETTO")]
    rule_lines = list(_rule(rule)) if rule else []
    time = _moved(start) if rule else start
    if "RDATE" in fields or bool(rule) != bool(rule_lines) or not _is_time(time):
        return []
    if not all(_OFFSET.fullmatch(value) for _, value in offsets):
        return []
    lines = [f"DTSTART:{time}", *(f"{name}:{value}" for name, value in offsets), *rule_lines]
    return [f"BEGIN:{kind}", *lines, f"END:{kind}"]


def _rule(rule: str) -> Iterator[str]:
    parts = dict(part.split("=") for part in rule.split(";") if _RULE_PART.fullmatch(part))
    if len(parts) == len(rule.strip(";").split(";")) and {"FREQ", "BYMONTH"} <= set(parts):
        until = min(parts.get("UNTIL", "9"), f"{LAST_YEAR}1231T000000Z")
        yield "RRULE:" + ";".join(f"{key}={value}" for key, value in {**parts, "UNTIL": until}.items())


def _moved(start: str) -> str:
    """Return the start, not before FIRST_YEAR: rules from 1601 on would be followed through all these years."""
    found = _TIME.fullmatch(start)
    if found is None or int(found[1]) >= FIRST_YEAR:
        return start
    return f"{FIRST_YEAR}{'0228' if found[2] == '0229' else found[2]}T{found[3] or '000000'}"


def _is_time(value: str) -> bool:
    try:
        datetime.strptime(value, "%Y%m%dT%H%M%S")  # noqa: DTZ007  the time of a place, without zone
    except ValueError:
        return False
    return True

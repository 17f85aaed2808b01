"""Reads an invitation: what, when, where and who (RFC 5545, 5546)."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from functools import partial
from typing import Any

from worker.reading.attachments.calendar_zones import named_zones, simple_zone
from worker.reading.attachments.library_guard import open_untrusted
from worker.reading.limits import ReadingLimits
from worker.reading.mime.characters import remove_controls
from worker.reading.mime.headers import one_line
from worker.reading.mime.parts import Part

CALENDAR_TYPES = ("text/calendar", "application/ics", "application/ical", "text/x-vcalendar")

#: Bytes and lines of a calendar that are read, attendees and characters of a value that are kept.
MAX_BYTES, MAX_LINES, MAX_ATTENDEES, MAX_VALUE = 64 * 1024, 2_000, 50, 1_000
MAX_DESCRIPTION = 8_000

#: The properties of an event that are read; all others are left out before the library sees them.
_EVENT = (
    "DTSTART", "DTEND", "DURATION", "SUMMARY", "LOCATION", "DESCRIPTION", "ORGANIZER", "ATTENDEE", "RRULE", "STATUS",
)  # fmt: skip
_NAME = re.compile(r"([A-Za-z-]{1,40})[;:]")
_METHOD = re.compile(r"^METHOD[ \t]*:[ \t]*([A-Za-z]{1,20})", re.IGNORECASE | re.MULTILINE)


def find_method(parts: Iterable[Part]) -> str:
    """Return the iTIP method of the first calendar among *parts*, in lower case; "" without one.

    It is the method inside the calendar, else the parameter of its type (RFC 6047 §2.4 wants both to be equal).
    """
    for part in parts:
        if is_calendar(part):
            inside = _METHOD.search(_text(part))
            return (inside[1] if inside else part.parameters.get("method", "")[:20]).lower()
    return ""


def is_calendar(part: Part) -> bool:
    """Return whether the part's type or name says that it is a calendar."""
    if part.type in CALENDAR_TYPES:
        return True
    name = part.disposition()[1].get("filename") or part.parameters.get("name") or ""
    return part.type == "application/octet-stream" and name.lower().endswith(".ics")


def read_invitation(parts: Iterable[Part]) -> dict[str, Any] | None:
    """Return the first event of the first calendar; None without an event that can be read.

    {method, summary, start, end, location, organizer, attendees, repeats, status, description}: `start` and `end` as
    ISO 8601 with the offset of their zone, a day alone for whole days, without offset for the local time of each
    attendee; `repeats` is the recurrence rule as it is written.
    """
    for part in parts:
        if is_calendar(part):
            return _read_calendar(_text(part), find_method([part]))
    return None


def calendar_text(content: bytes, _limits: ReadingLimits) -> Iterator[str]:
    """Yield the first event of a calendar as text."""
    event = _read_calendar(_decoded(content[: 2 * MAX_BYTES]), "")
    yield describe(event) if event else ""


def _read_calendar(text: str, method: str) -> dict[str, Any] | None:
    source = "\r\n".join(_kept_lines(text))
    return open_untrusted(partial(_read_event, source, method))[0]


def describe(invitation: dict[str, Any]) -> str:
    """Return the invitation as text, for a mail that has no other text."""
    when = " – ".join(filter(None, (invitation["start"], invitation["end"])))
    lines = (invitation["summary"], when, invitation["location"], invitation["organizer"])
    head = "\n".join(line for line in lines if line)
    return "\n\n".join(filter(None, (head, invitation["description"])))


def _text(part: Part) -> str:
    return _decoded(part.body(2 * MAX_BYTES))


def _decoded(content: bytes) -> str:
    return remove_controls(content.decode("utf-8", "replace")[:MAX_BYTES].lstrip("\ufeff"))


def _kept_lines(text: str) -> Iterator[str]:
    """Yield a calendar with its first event alone, cut down to the properties that are read, and with its zones."""
    lines = _unfolded(text)
    zones, event = list[list[str]](), list[str]()
    for line in lines:
        if (begin := line.upper().strip()) == "BEGIN:VTIMEZONE":
            zones.append(list(_until(lines, "END:VTIMEZONE")))
        elif begin in {"BEGIN:VEVENT", "BEGIN:VTODO"} and not event:
            event = ["BEGIN:VEVENT", *_event_lines(lines, begin.replace("BEGIN", "END")), "END:VEVENT"]
    names = named_zones(event)
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0")
    for zone in zones:
        if kept := simple_zone(zone, names):
            names.discard(kept[0].removeprefix("TZID:"))
            yield from ("BEGIN:VTIMEZONE", *kept, "END:VTIMEZONE")
    yield from (*event, "END:VCALENDAR")


def _unfolded(text: str) -> Iterator[str]:
    """Yield the content lines (RFC 5545 §3.1), at most MAX_LINES."""
    pending: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:MAX_LINES]:
        if line[:1] in (" ", "\t"):
            pending.append(line[1:])
            continue
        if pending:
            yield "".join(pending)
        pending = [line] if line.strip() else []
    if pending:
        yield "".join(pending)


def _until(lines: Iterator[str], end: str) -> Iterator[str]:
    for line in lines:
        if line.upper().strip() == end:
            return
        yield line


def _event_lines(lines: Iterator[str], end: str) -> Iterator[str]:
    """Yield the lines of one event that are read, without those of its alarms."""
    depth = attendees = 0
    for line in _until(lines, end):
        upper = line.upper()
        depth += upper.startswith("BEGIN:") - upper.startswith("END:")
        found = _NAME.match(line)
        name = found[1].upper() if found else ""
        attendees += name == "ATTENDEE"
        if depth == 0 and name in _EVENT and (name != "ATTENDEE" or attendees <= MAX_ATTENDEES):
            yield line


def _read_event(source: str, method: str) -> dict[str, Any] | None:
    from icalendar import Calendar  # takes 70 ms; a child imports it at its start
    from icalendar.timezone import tzp

    tzp.use_zoneinfo()  # forget the zones of other mails: the library keeps each one under its name
    event = next(iter(Calendar.from_ical(source).walk("VEVENT")), None)
    if event is None:
        return None
    start, end = _moment(event.get("DTSTART")), _moment(event.get("DTEND"))
    if start is not None and end is None and event.get("DURATION") is not None:
        end = start + event.get("DURATION").dt
    rule = event.get("RRULE")
    return {
        "method": method.upper(),
        "summary": _value(event.get("SUMMARY")),
        "start": start.isoformat() if start else None,
        "end": end.isoformat() if end else None,
        "location": _value(event.get("LOCATION")),
        "organizer": _address(event.get("ORGANIZER")),
        "attendees": [
            {"address": _address(each), "answer": str(each.params.get("PARTSTAT", "")).lower()[:20]}
            for each in _as_list(event.get("ATTENDEE"))
        ],
        "repeats": rule.to_ical().decode("ascii", "replace")[:200] if rule else None,
        "status": _value(event.get("STATUS")).lower(),
        "description": str(event.get("DESCRIPTION") or "")[:MAX_DESCRIPTION],
    }


def _moment(value: Any) -> date | datetime | None:
    found = getattr(value, "dt", None)
    return found if isinstance(found, date) else None  # datetime is a date, too


def _value(value: Any) -> str:
    return one_line(str(_as_list(value)[0])[:MAX_VALUE]) if value else ""


def _address(value: Any) -> str:
    """Return the address of a `mailto:` value in lower case."""
    text = _value(value)
    return text[7:].lower() if text.lower().startswith("mailto:") else text


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]

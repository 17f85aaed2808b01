"""Finds the time of day, and its zone, beside a date."""

import re

#: Zone → offset. Names that several zones share (CST, IST, BST, AST) are not here: their time has no sure offset.
_ZONE_NAMES = """
    z +00:00 utc +00:00 gmt +00:00 ut +00:00 wet +00:00 west +01:00 cet +01:00 mez +01:00 cest +02:00 mesz +02:00
    eet +02:00 eest +03:00 msk +03:00 trt +03:00 est -05:00 edt -04:00 cdt -05:00 mst -07:00 mdt -06:00 pst -08:00
    pdt -07:00 akst -09:00 akdt -08:00 hst -10:00 nst -03:30 ndt -02:30 adt -03:00 brt -03:00 jst +09:00 kst +09:00
    hkt +08:00 sgt +08:00 awst +08:00 ict +07:00 wib +07:00 wita +08:00 pkt +05:00 npt +05:45 acst +09:30 acdt +10:30
    aest +10:00 aedt +11:00 nzst +12:00 nzdt +13:00 sast +02:00 eat +03:00 wat +01:00
"""
_ZONES = dict(zip(_ZONE_NAMES.split()[::2], _ZONE_NAMES.split()[1::2], strict=True))

_CLOCK = (
    r"(?P<hour>\d{1,2})(?:(?:[:.h]|\sh\s)(?P<minute>\d{2}))?(?::(?P<second>\d{2}))?(?:\.\d{1,9})?"
    r"\s?(?P<half>[ap]\.?m\.?(?!\w))?(?:\s?(?:Uhr|hrs|hours|h|o'clock|klo)\b)?"
)
_NAMES = "|".join(sorted(_ZONES, key=len, reverse=True))
_ZONE = rf"(?:\s?\(?(?P<zone>(?:UTC|GMT)?\s?[+-]\d{{1,2}}(?::?\d{{2}})?|(?:{_NAMES})(?!\w))\)?)?"
_AT = r"(?:at |um |à |a las |às |alle |om |kl\.? ?|klo |o godz\.? |v |saat |στις |@ ?|[-–] )?"
_AFTER = re.compile(rf"[\sT,]{{1,3}}{_AT}{_CLOCK}{_ZONE}(?![\w])", re.IGNORECASE)
_BEFORE = re.compile(
    rf"(?<![\d.:,/-]){_CLOCK}{_ZONE}(?:,|\son|\sam|\sle|\sel|\sil|\sop)?\s{{1,2}}(?:[^\W\d_]{{2,10}}\.?,?\s)?(?:the\s)?$",
    re.IGNORECASE,
)
#: Characters before a date in which a time is searched.
_BEFORE_LENGTH = 40


def find_time(text: str, start: int, end: int) -> tuple[int, int, str] | None:
    """Return (start, end, `HH:MM:SS` with the offset that is written) of the time of a date at *start* to *end*."""
    if (after := _AFTER.match(text, end)) and (clock := _clock(after)):
        return start, after.end(), clock + _offset(after["zone"])
    before = _BEFORE.search(text, max(0, start - _BEFORE_LENGTH), start)
    if before and (clock := _clock(before)):
        return before.start(), end, clock + _offset(before["zone"])
    return None


def _clock(time: re.Match[str]) -> str | None:
    hour, minute, second = int(time["hour"]), int(time["minute"] or 0), int(time["second"] or 0)
    half = (time["half"] or "").lower()[:1]
    if not half and time["minute"] is None:
        return None
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02}:{minute:02}:{second:02}" if hour < 24 and minute < 60 and second < 60 else None


def _offset(zone: str | None) -> str:
    if not zone:
        return ""
    name = zone.lower()
    if name in _ZONES:
        return _ZONES[name]
    sign, digits = name.lstrip("utcgm ")[:1], name.lstrip("utcgm ")[1:].replace(":", "")
    hours, minutes = (digits, "00") if len(digits) <= 2 else (digits[:-2], digits[-2:])
    return f"{sign}{int(hours):02}:{minutes}" if int(hours) <= 14 and int(minutes) < 60 else ""

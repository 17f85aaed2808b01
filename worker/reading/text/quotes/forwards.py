"""Reads what a forwarded mail says about itself: sender, date and subject above its text."""

import re
from dataclasses import dataclass

from worker.reading.limits import ReadingLimits
from worker.reading.mime.addresses import parse_addresses
from worker.reading.mime.parts import split_headers
from worker.reading.text.quotes.marks import FORWARD_SUBJECT, HEADER_KINDS, header_of, is_forward_mark

#: Characters of one value.
MAX_VALUE = 500
#: Bytes of an attached mail in which its headers are searched.
MAX_HEADERS = 64 * 1024

_ADDRESS = re.compile(r"[^\s<>\[\]()\"',;:]{1,128}@[^\s<>\[\]()\"',;:]{1,255}")
_NAME_ENDS = re.compile(r"[<\[(]|mailto:|(?<=\w)@")
_AROUND = " \t\"'«»„“”‚‘’<>[](),;:*"
_DATE = re.compile(
    r"(?:\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}\.? [^\W\d]{3,12}\.? (?:de )?\d{4}"
    r"|[^\W\d]{3,12}\.? \d{1,2}, \d{4})(?:(?:,| um| à| at| alle ore| om| kl\.?| o)? ?\d{1,2}[:.h]\d\d(?:[:.]\d\d)?)?"
)
#: Names of headers in one line, as Yahoo glues them together.
_GLUED = re.compile(
    "(" + "|".join(sorted(map(re.escape, HEADER_KINDS), key=len, reverse=True)) + r")[ \t]?[:：][ \t]?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What stands above the text of a forwarded mail; the date as it is written there."""

    from_name: str = ""
    from_email: str = ""
    date: str = ""
    subject: str = ""

    def encode(self) -> dict[str, str]:
        """Return it as the item has it."""
        sender = f"{self.from_name} <{self.from_email}>" if self.from_name and self.from_email else ""
        return {
            "from": sender or self.from_email or self.from_name,
            "from_name": self.from_name,
            "from_email": self.from_email,
            "date": self.date,
            "subject": self.subject,
        }


def forwarded_by_headers(lines: list[str], subject: str) -> Forwarded:
    """Read a block of headers, whose lines may be wrapped. *subject* is that of the mail."""
    found: dict[str, str] = {}
    open_kind = ""
    for line in lines:
        line = line[:MAX_VALUE]
        kind, value = header_of(line)
        if not kind and is_forward_mark(line):
            _split_glued(line, found)
        elif kind:
            open_kind = kind if kind not in found else ""
            found.setdefault(kind, value)
        elif open_kind and line.strip(" >"):
            found[open_kind] = f"{found[open_kind]} {line.strip(' >')}"
        else:
            open_kind = ""
    name, email = _sender(found.get("from", ""))
    return Forwarded(
        name, email, _clean(found.get("date", "")), _clean(found.get("subject", "")) or subject_inside(subject)
    )


def forwarded_by_attribution(line: str, subject: str) -> Forwarded:
    """Read a line "On … wrote:", under which some programs forward."""
    address = _ADDRESS.search(line)
    date = _DATE.search(line)
    name = ""
    if address is not None:
        before = line[: address.start()].rstrip(_AROUND)
        name = re.split(r"\d[\d:.,]*|,", before)[-1]
        name = re.sub(r"^\s*(?:heeft|użytkownik|пользователь|Uhr|schrieb|schreef)\s+", "", name)
    return Forwarded(
        _clean(name), address[0].lower() if address else "", date[0] if date else "", subject_inside(subject)
    )


def forwarded_by_mail(content: bytes) -> Forwarded:
    """Read the headers of an attached mail."""
    headers = split_headers(content[:MAX_HEADERS], ReadingLimits()).headers
    name, address = next(iter(parse_addresses(headers.raw("from"), 1, headers.charset)), ("", ""))
    return Forwarded(name, address, _clean(headers.text("date")), headers.text("subject")[:MAX_VALUE])


def subject_inside(subject: str) -> str:
    """Return the subject without the prefix that forwarding added; "" when there is none."""
    found = FORWARD_SUBJECT.match(subject)
    if found is None:
        return ""
    inside = subject[found.end() :].strip()
    return inside.removesuffix("]") if "[" in found[0][-9:] and "]" not in found[0][-9:] else inside


def _sender(value: str) -> tuple[str, str]:
    address = _ADDRESS.search(value)
    end = _NAME_ENDS.search(value)
    if address is None:
        return _clean(value), ""
    name = value[: min(address.start(), end.start() if end else len(value))]
    return _clean(name), address[0].lower()


def _split_glued(line: str, found: dict[str, str]) -> None:
    marks = list(_GLUED.finditer(line))
    ends = [*(mark.start() for mark in marks[1:]), len(line)]
    for mark, end in zip(marks, ends, strict=False):
        found.setdefault(HEADER_KINDS[mark[1].lower()], line[mark.end() : end].strip())


def _clean(value: str) -> str:
    return " ".join(value.split()).strip(_AROUND)[:MAX_VALUE]

"""What a program posts as JSON, checked into a Letter. Every refusal names the field and what is accepted."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from server.body import text, texts
from server.compose import Address, Attachment, Letter, Octets
from workitems.errors import InvalidChangeError
from workitems.item import Json

ACCEPTED = frozenset({"from", "from_email", "from_name", "to", "cc", "subject", "date", "message_id", "headers",
                      "text", "body", "html", "attachments", "mailbox"})  # fmt: skip

T = TypeVar("T")

#: Counts and characters that no honest letter passes.
MOST_ADDRESSES = 500
MOST_HEADERS = 300
MOST_ATTACHMENTS = 100
LONGEST_VALUE = 10_000

#: Characters of a body; the request's own limit is lower.
LONGEST_TEXT = 2**31

#: Characters of base64 that are decoded at a time; in between, other threads get their turn.
_SLICE = 256 * 1024

#: Characters of all headers together; identity is looked for in the first 256 KiB of a mail.
LONGEST_HEADERS = 128 * 1024

_BLANK = re.compile(r"\s")
_BREAKING = re.compile(r"[\r\n\x00]")
_ADDRESS = re.compile(r'[^\s<>()\[\],;:"\x00-\x1f\x7f@]{1,64}@[^\s<>()\[\],;:"\x00-\x1f\x7f@]{1,255}')
_MESSAGE_ID = re.compile(r"<?([!-;=?-~]{1,250})>?", re.ASCII)
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}", re.ASCII)
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,80}(;[ -~]{1,200})?", re.ASCII)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(
    rf"((?:{'|'.join(_DAYS)}), )?\d{{1,2}} (?:{'|'.join(_MONTHS)}) \d{{4}} \d\d:\d\d(:\d\d)? ([+-]\d{{4}}|GMT|UTC|Z)"
    r"( \([ -~]{0,40}\))?",
    re.ASCII,
)

#: One address of a list: quoted strings and angles keep their commas.
_ONE = re.compile(r'(?:"(?:[^"\\]|\\.?)*+(?:"|$)|<[^>]*+(?:>|$)|[^,"<])++')


def read_letter(asked: Json, *, fresh_id: str) -> Letter:
    """The letter that *asked* (its names are known ones) describes; *fresh_id* where it gives no Message-ID.

    What has no field of its own but stands among `headers` counts too, as far as it can be understood: a refusal would
    lose the mail with senders that do not come again.
    """
    headers = _headers(asked.get("headers"))
    first = {name.lower(): value for name, value in reversed(headers)}
    subject = _line(asked.get("subject"), "subject")
    name = "text" if "text" in asked else "body"
    body, html = text(asked.get(name), name, most=LONGEST_TEXT), text(asked.get("html"), "html", most=LONGEST_TEXT)
    attachments = _attachments(asked.get("attachments"))
    if not (subject or first.get("subject") or body or html or attachments):
        raise InvalidChangeError("a letter has at least one of subject, text, html and attachments", "text")
    return Letter(
        message_id=_message_id(asked.get("message_id")) or _lenient(_message_id, first.get("message-id")) or fresh_id,
        sender=_sender(asked, first.get("from")),
        to=_people(asked["to"], "to") if "to" in asked else _lenient(_people, first.get("to"), "to") or (),
        cc=_people(asked["cc"], "cc") if "cc" in asked else _lenient(_people, first.get("cc"), "cc") or (),
        subject=subject,
        date=_date(asked.get("date")) or _lenient(_date, first.get("date")) or "",
        text=body,
        html=html,
        headers=tuple(headers),
        attachments=attachments,
    )


def _lenient(read: Callable[..., T], value: str | None, *field: str) -> T | None:
    try:
        return read(value, *field)
    except InvalidChangeError:
        return None


def _line(value: Any, field: str) -> str:
    """A header's value: one line."""
    line = text(value, field, most=LONGEST_VALUE)
    if _BREAKING.search(line):
        raise InvalidChangeError("a value without CR, LF and NUL is accepted", field)
    return line


def _sender(asked: Json, header: str | None) -> Address:
    field = "from_email" if "from" not in asked and "from_email" in asked else "from"
    found = _people(asked.get(field, header), field)
    if len(found) != 1:
        raise InvalidChangeError("one address such as 'Ada <ada@example.com>' is needed", field)
    name = _line(asked.get("from_name"), "from_name")
    return Address(name, found[0].address) if name else found[0]


def _people(value: Any, field: str) -> tuple[Address, ...]:
    """Addresses given as one string with commas, or as a list."""
    line = _line(value, field) if isinstance(value, str) else None
    given = _ONE.findall(line) if line is not None else texts(value, field, most=MOST_ADDRESSES, longest=1_000)
    if len(given) > MOST_ADDRESSES:
        raise InvalidChangeError(f"at most {MOST_ADDRESSES} addresses are accepted", field)
    return tuple(_person(one, field) for one in given if one.strip())


def _person(one: str, field: str) -> Address:
    name, angle, address = _line(one, field).strip().rpartition("<")
    address = address.rstrip(">").strip() if angle else address
    if not _ADDRESS.fullmatch(address):
        raise InvalidChangeError("addresses such as 'ada@example.com' or 'Ada <ada@example.com>' are accepted", field)
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return Address(name, address)


def _message_id(value: Any) -> str:
    line = _line(value, "message_id").strip()
    if not line:
        return ""
    found = _MESSAGE_ID.fullmatch(line)
    if not found:
        raise InvalidChangeError("an id of at most 250 ASCII characters without blanks is accepted", "message_id")
    return f"<{found[1]}>"


def _date(value: Any) -> str:
    """RFC 5322 as it stands, ISO 8601 turned into it; without an offset, -0000 says that none is known."""
    line = _line(value, "date").strip()
    if not line or _DATE.fullmatch(line):
        return line
    try:
        when = datetime.fromisoformat(line)
    except ValueError:
        message = "a date such as '2025-11-22T09:30:00+01:00' or 'Sat, 22 Nov 2025 09:30:00 +0100' is accepted"
        raise InvalidChangeError(message, "date") from None
    offset = when.strftime("%z")[:5] if when.tzinfo else "-0000"
    day = f"{_DAYS[when.weekday()]}, {when.day:02d} {_MONTHS[when.month - 1]} {when.year:04d}"
    return f"{day} {when:%H:%M:%S} {offset}"


def _headers(value: Any) -> list[tuple[str, str]]:
    """An object of names and values (or lists of them), or a list of pairs or of {name, value}."""
    pairs = [(str(name), line) for name, line in _pairs(value)]
    if len(pairs) > MOST_HEADERS or sum(len(n) + len(str(v)) for n, v in pairs) > LONGEST_HEADERS:
        raise InvalidChangeError(f"at most {MOST_HEADERS} headers of {LONGEST_HEADERS:,} characters", "headers")
    for name, _ in pairs:
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidChangeError("a header's name is printable ASCII without ':' and blanks", "headers")
    return [(name, _line(line, f"headers.{name}")) for name, line in pairs]


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    if value is None:
        return []
    if isinstance(value, dict):
        return [(n, line) for n, lines in value.items() for line in (lines if isinstance(lines, list) else [lines])]
    shown = "an object of names and values, or a list of [name, value] or {name, value}, is accepted"
    if not isinstance(value, list):
        raise InvalidChangeError(shown, "headers")
    pairs = []
    for entry in value:
        named = {str(key).lower(): part for key, part in entry.items()} if isinstance(entry, dict) else {}
        pair = (named.get("name"), named.get("value")) if named else entry
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise InvalidChangeError(shown, "headers")
        pairs.append((pair[0], pair[1]))
    return pairs


def _attachments(value: Any) -> tuple[Attachment, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_ATTACHMENTS:
        raise InvalidChangeError(f"a list of at most {MOST_ATTACHMENTS} is accepted", "attachments")
    return tuple(_attachment(entry, f"attachments[{n}]") for n, entry in enumerate(value))


def _attachment(entry: Any, field: str) -> Attachment:
    if not isinstance(entry, dict) or not entry.keys() <= {"filename", "content_type", "content"}:
        raise InvalidChangeError("an object of filename, content_type and content is accepted", field)
    filename = _line(entry.get("filename"), f"{field}.filename")[:255] or "attachment"
    kind = _line(entry.get("content_type"), f"{field}.content_type").strip() or "application/octet-stream"
    if not _CONTENT_TYPE.fullmatch(kind):
        raise InvalidChangeError("a type such as 'application/pdf' is accepted", f"{field}.content_type")
    return Attachment(filename, kind.lower() if ";" not in kind else kind, base64_octets(entry.get("content"), field))


def base64_octets(value: Any, field: str) -> Octets:
    """The octets that *value* stands for; what is no base64 is refused when they are asked for."""
    if not isinstance(value, str):
        raise InvalidChangeError("the file's bytes in base64 are needed", f"{field}.content")
    compact = value if value.isascii() and not _BLANK.search(value) else "".join(value.split())

    def pieces() -> Iterator[bytes]:
        try:
            for start in range(0, len(compact), _SLICE):
                yield base64.b64decode(compact[start : start + _SLICE], validate=True)
        except (binascii.Error, ValueError):
            raise InvalidChangeError("this is no base64 (RFC 4648)", f"{field}.content") from None

    return pieces

"""Checks the JSON of an upload and turns it into MailContent. Every error names the field and what is accepted.

Content of a file that cannot be decoded is no error, since many senders do not try again: a warning names the file.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from server.http.json_body import checked_string, checked_strings
from server.intake.mime_writer import Address, MailContent, MimeAttachment
from server.intake.posted_files import EMPTY, UNDECODABLE, file_in_base64
from workitems.base.errors import InvalidChangeError
from workitems.queue.item import Json

ACCEPTED_FIELDS = frozenset({"from", "from_email", "from_name", "to", "cc", "subject", "date", "message_id", "headers",
                      "text", "body", "html", "attachments", "mailbox"})  # fmt: skip

T = TypeVar("T")

#: Limits that no honest mail exceeds; a value has characters.
MAX_ADDRESSES = 500
MAX_HEADERS = 300
MAX_ATTACHMENTS = 100
MAX_VALUE = 10_000

#: Characters of a body at most; the limit of the request is lower.
MAX_TEXT = 2**31

#: Characters of all headers together; the item id comes from the first 256 KiB of a mail.
MAX_HEADER_CHARACTERS = 128 * 1024

#: Characters of a file's name in a warning.
MAX_SHOWN_NAME = 100

_WARNINGS = {
    EMPTY: "the file has no content, so only its name was stored; its bytes in base64 are accepted (RFC 4648)",
    UNDECODABLE: "this is not valid base64 (RFC 4648), so only the file's name was stored",
}

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

#: One address of a list; commas inside quotes and angle brackets do not separate.
_ONE = re.compile(r'(?:"(?:[^"\\]|\\.?)*+(?:"|$)|<[^>]*+(?:>|$)|[^,"<])++')


def parse_json_mail(asked: Json, *, fresh_id: str) -> MailContent:
    """Return the mail that *asked* describes, with *fresh_id* as Message-ID where it gives none.

    All names of *asked* must be accepted ones. A value that is given only in `headers` counts if it can be parsed;
    one that cannot is no error, since senders that do not try again would lose the mail. Raise InvalidChangeError.
    """
    headers = _headers(asked.get("headers"))
    first = {name.lower(): value for name, value in reversed(headers)}
    subject = _line(asked.get("subject"), "subject")
    name = "text" if "text" in asked else "body"
    body, html = (
        checked_string(asked.get(name), name, max_length=MAX_TEXT),
        checked_string(asked.get("html"), "html", max_length=MAX_TEXT),
    )
    attachments = _attachments(asked.get("attachments"))
    if not (subject or first.get("subject") or body or html or attachments):
        raise InvalidChangeError("a mail needs at least one of subject, text, html and attachments", "text")
    return MailContent(
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
    """Return the value of a header: one line."""
    line = checked_string(value, field, max_length=MAX_VALUE)
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
    """Return the addresses of a string with commas, or of a list."""
    line = _line(value, field) if isinstance(value, str) else None
    given = (
        _ONE.findall(line)
        if line is not None
        else checked_strings(value, field, max_items=MAX_ADDRESSES, longest=1_000)
    )
    if len(given) > MAX_ADDRESSES:
        raise InvalidChangeError(f"at most {MAX_ADDRESSES} addresses are accepted", field)
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
        raise InvalidChangeError("an id of at most 250 ASCII characters without spaces is accepted", "message_id")
    return f"<{found[1]}>"


def _date(value: Any) -> str:
    """Return the date in RFC 5322 form; an ISO 8601 date is converted, and -0000 says that its offset is unknown."""
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
    """Return pairs out of an object of names and values (or lists of them), or a list of pairs or {name, value}."""
    pairs = [(str(name), line) for name, line in _pairs(value)]
    if len(pairs) > MAX_HEADERS or sum(len(n) + len(str(v)) for n, v in pairs) > MAX_HEADER_CHARACTERS:
        message = f"at most {MAX_HEADERS} headers with {MAX_HEADER_CHARACTERS:,} characters in all are accepted"
        raise InvalidChangeError(message, "headers")
    for name, _ in pairs:
        if not _HEADER_NAME.fullmatch(name):
            message = "a header's name of at most 76 printable ASCII characters without ':' and spaces is accepted"
            raise InvalidChangeError(message, "headers")
    return [(name, _line(line, f"headers.{name}")) for name, line in pairs]


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    if value is None:
        return []
    if isinstance(value, dict):
        return [(n, line) for n, lines in value.items() for line in (lines if isinstance(lines, list) else [lines])]
    message = "an object of names and values, or a list of [name, value] or {name, value}, is accepted"
    if not isinstance(value, list):
        raise InvalidChangeError(message, "headers")
    pairs = []
    for entry in value:
        named = {str(key).lower(): part for key, part in entry.items()} if isinstance(entry, dict) else {}
        pair = (named.get("name"), named.get("value")) if named else entry
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise InvalidChangeError(message, "headers")
        pairs.append((pair[0], pair[1]))
    return pairs


def _attachments(value: Any) -> tuple[MimeAttachment, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_ATTACHMENTS:
        raise InvalidChangeError(f"a list of at most {MAX_ATTACHMENTS} attachments is accepted", "attachments")
    return tuple(_attachment(entry, f"attachments[{n}]") for n, entry in enumerate(value))


def _attachment(entry: Any, field: str) -> MimeAttachment:
    if not isinstance(entry, dict) or not entry.keys() <= {"filename", "content_type", "content"}:
        raise InvalidChangeError("an object of filename, content_type and content is accepted", field)
    filename = _line(entry.get("filename"), f"{field}.filename")[:255] or "attachment"
    kind = _line(entry.get("content_type"), f"{field}.content_type").strip() or "application/octet-stream"
    if not _CONTENT_TYPE.fullmatch(kind):
        raise InvalidChangeError("a type such as 'application/pdf' is accepted", f"{field}.content_type")
    return file_in_base64(filename, kind.lower() if ";" not in kind else kind, entry.get("content"))


def warn_of_files(content: MailContent) -> tuple[dict[str, str], ...]:
    """Return, for each file without content, its field, its name, and what was wrong."""
    return tuple(
        {
            "field": f"attachments[{n}].content",
            "filename": file.filename[:MAX_SHOWN_NAME].encode("utf-8", "replace").decode(),
            "message": _WARNINGS[file.unread],
        }
        for n, file in enumerate(content.attachments)
        if file.unread
    )

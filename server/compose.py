"""A mail out of JSON: bytes in RFC 5322 form, so that posted mail goes the same way as fetched mail.

Pure: the same letter gives the same bytes, and so the same item.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from server.headers import mailbox, parameter, structured, unstructured

#: Fields that describe the body that a gateway had, not the one that is composed here.
_BODY_FIELDS = ("mime-version", "content-")

#: A line of base64 (RFC 2045 §6.8): 76 characters, 57 octets.
_BASE64_LINE = re.compile(rb".{1,76}")

#: Octets encoded at a time: whole lines, and short enough that other threads get their turn. Line by line, 7 MB took
#: 80-130 ms of CPU instead of 50-75.
_OCTETS = 57 * 512

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody: `name` may be ''."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file: `content_type` is `type/subtype` with parameters or none."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """What a sender gave, checked: no CR, LF or NUL in any value but text, html and contents."""

    message_id: str
    sender: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    subject: str = ""
    #: RFC 5322 form; '' = the letter says none.
    date: str = ""
    text: str = ""
    html: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()


def compose(letter: Letter) -> bytes:
    """The letter as a mail: what identifies it first, then other headers, then MIME (RFC 2045, 2046)."""
    return _head(letter).encode("utf-8", "replace") + _body(letter)


def _head(letter: Letter) -> str:
    parts = [structured("Message-ID", letter.message_id)]
    parts += [structured("Date", letter.date)] if letter.date else []
    parts += [_addresses("From", (letter.sender,)), _addresses("To", letter.to), _addresses("Cc", letter.cc)]
    parts += [unstructured("Subject", letter.subject)] if letter.subject else []
    own = {"message-id", "date", "from", "to", "cc", "bcc"} | ({"subject"} if letter.subject else set())
    for name, value in letter.headers:
        if name.lower() not in own and not name.lower().startswith(_BODY_FIELDS):
            parts.append(structured(name, value) if value.isascii() else unstructured(name, value))
    return "".join(parts) + "MIME-Version: 1.0\r\n"


def _addresses(name: str, addresses: tuple[Address, ...]) -> str:
    if not addresses:
        return ""
    return f"{name}: " + ",\r\n ".join(mailbox(a.name, a.address, len(name) + 2) for a in addresses) + "\r\n"


def _body(letter: Letter) -> bytes:
    """text, html or both as alternatives; with files, the first part of a mixed one."""
    texts = [_text("plain", letter.text)] if letter.text or not letter.html else []
    texts += [_text("html", letter.html)] if letter.html else []
    content = texts[0] if len(texts) == 1 else _multipart("alternative", texts)
    if not letter.attachments:
        return content
    return _multipart("mixed", [content, *(_file(attachment) for attachment in letter.attachments)])


def _text(subtype: str, text: str) -> bytes:
    octets = _LINE_END.sub("\r\n", text).encode("utf-8", "replace")
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + b"".join(_base64_lines(octets))


def _file(attachment: Attachment) -> bytes:
    kind = attachment.content_type
    head = "Content-Disposition: attachment" + parameter("filename", attachment.filename) + "\r\n"
    if kind.startswith("message/"):  # may not be encoded (RFC 2046 §5.2)
        head += f"Content-Type: {kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        return head.encode() + attachment.content + b"\r\n"
    if kind.startswith("multipart/"):  # its parts are not ours to vouch for
        kind = "application/octet-stream"
    head += f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + b"".join(_base64_lines(attachment.content))


def _multipart(subtype: str, parts: list[bytes]) -> bytes:
    """The boundary is drawn from the parts themselves: the same each time, and nobody can have written it into one."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    boundary = f"=_{digest.hexdigest()[:40]}"
    head = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n\r\n'
    line = b"--" + boundary.encode()
    body = b"".join(b"".join((line, b"\r\n", part, b"\r\n")) for part in parts)
    return b"".join((head.encode(), body, line, b"--\r\n"))


def _base64_lines(octets: bytes) -> Iterator[bytes]:
    for start in range(0, len(octets), _OCTETS):
        encoded = base64.b64encode(octets[start : start + _OCTETS])
        yield b"\r\n".join(_BASE64_LINE.findall(encoded)) + b"\r\n"

"""Writes an uploaded mail in RFC 5322 form, so that it is processed like fetched mail.

Pure, but for the function that takes the bytes: the same parts give the same bytes, and so the same item. Contents are
read and written in pieces, so that no mail is in memory as a whole.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from server.intake.header_fields import format_mailbox, format_parameter, format_structured, format_unstructured

#: Fields that describe the original body, not the one that is composed here.
BODY_FIELDS = ("mime-version", "content-")

#: The field of a part that says why a file has no content; the reading knows it (worker/reading/attachments).
UNREAD_FIELD = "X-Tubepost-Unread"

#: Gives bytes in pieces of any length; each call starts from the first byte.
OctetSource = Callable[[], Iterable[bytes]]

#: Takes the next bytes of a mail.
WriteBytes = Callable[[bytes], object]

#: A line of base64 (RFC 2045 §6.8): 76 characters, 57 octets.
_BASE64_LINE = re.compile(rb".{1,76}")

#: Bytes that are encoded at a time: whole lines, and few enough that other threads can run in between. Line by line,
#: 7 MB took 80-130 ms of CPU instead of 50-75.
_OCTETS = 57 * 512

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Address:
    """An address with its display name, which may be ''."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class MimeAttachment:
    """A file. `content_type` may have parameters; `content_id` is set for an image that the HTML shows."""

    filename: str
    content_type: str
    content: OctetSource
    content_id: str = ""
    #: Why it has no content, as `server.intake.posted_files` names it; '' if it has.
    unread: str = ""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text: `subtype` is plain or html, `charset` is what the sender declared."""

    subtype: str
    content: OctetSource
    charset: str = "utf-8"


@dataclass(frozen=True, slots=True)
class MailContent:
    """A mail that was checked: no value but text, html and contents has CR, LF or NUL."""

    message_id: str
    sender: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    subject: str = ""
    #: In RFC 5322 form; '' if the sender gave none.
    date: str = ""
    text: str = ""
    html: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[MimeAttachment, ...] = ()


def write_content(content: MailContent, write: WriteBytes) -> None:
    """Write the mail: the headers that identify it, then the others, then MIME."""
    texts = [_text_part(subtype, text) for subtype, text in (("plain", content.text), ("html", content.html)) if text]
    write_mail(_head(content).encode("utf-8", "replace"), texts, content.attachments, write)


def write_mail(
    head: bytes, texts: Sequence[TextPart], attachments: Sequence[MimeAttachment], write: WriteBytes
) -> None:
    """Write *head* (whole lines of header fields), then MIME (RFC 2045, 2046).

    Several texts become alternatives. With attachments, the texts are the first part of a multipart/mixed.
    """
    write(head + b"MIME-Version: 1.0\r\n")
    texts = texts or [_text_part("plain", "")]
    if not attachments:
        _write_texts(texts, write)
        return
    boundary = _boundary("mixed", texts, attachments)
    write(_multipart("mixed", boundary) + b"--" + boundary + b"\r\n")
    _write_texts(texts, write)
    for attachment in attachments:
        write(b"\r\n--" + boundary + b"\r\n")
        _write_file(attachment, write)
    write(b"\r\n--" + boundary + b"--\r\n")


def _text_part(subtype: str, text: str) -> TextPart:
    octets = _LINE_END.sub("\r\n", text).encode("utf-8", "replace")
    return TextPart(subtype, lambda: [octets])


def _head(mail: MailContent) -> str:
    parts = [format_structured("Message-ID", mail.message_id)]
    parts += [format_structured("Date", mail.date)] if mail.date else []
    parts += [_addresses("From", (mail.sender,)), _addresses("To", mail.to), _addresses("Cc", mail.cc)]
    parts += [format_unstructured("Subject", mail.subject)] if mail.subject else []
    own = {"message-id", "date", "from", "to", "cc", "bcc"} | ({"subject"} if mail.subject else set())
    for name, value in mail.headers:
        if name.lower() not in own and not name.lower().startswith(BODY_FIELDS):
            parts.append(format_structured(name, value) if value.isascii() else format_unstructured(name, value))
    return "".join(parts)


def _addresses(name: str, addresses: tuple[Address, ...]) -> str:
    if not addresses:
        return ""
    return f"{name}: " + ",\r\n ".join(format_mailbox(a.name, a.address, len(name) + 2) for a in addresses) + "\r\n"


def _write_texts(texts: Sequence[TextPart], write: WriteBytes) -> None:
    if len(texts) == 1:
        _write_text(texts[0], write)
        return
    boundary = _boundary("alternative", texts, ())
    write(_multipart("alternative", boundary))
    for text in texts:
        write(b"--" + boundary + b"\r\n")
        _write_text(text, write)
    write(b"--" + boundary + b"--\r\n")


def _write_text(text: TextPart, write: WriteBytes) -> None:
    write(f"Content-Type: text/{text.subtype}; charset={text.charset}\r\n".encode())
    _write_base64(text.content, write)


def _write_file(attachment: MimeAttachment, write: WriteBytes) -> None:
    kind = attachment.content_type
    if kind.startswith("multipart/"):  # we do not check its parts
        kind = "application/octet-stream"
    disposition = "inline" if attachment.content_id else "attachment"
    head = f"Content-Disposition: {disposition}" + format_parameter("filename", attachment.filename) + "\r\n"
    head += f"Content-ID: <{attachment.content_id}>\r\n" if attachment.content_id else ""
    head += f"{UNREAD_FIELD}: {attachment.unread}\r\n" if attachment.unread else ""
    write(f"{head}Content-Type: {kind}\r\n".encode())
    if not kind.startswith("message/"):
        _write_base64(attachment.content, write)
        return
    write(b"Content-Transfer-Encoding: 8bit\r\n\r\n")  # RFC 2046 §5.2 forbids base64 here
    for piece in attachment.content():
        write(piece)


def _multipart(subtype: str, boundary: bytes) -> bytes:
    return f'Content-Type: multipart/{subtype};\r\n boundary="'.encode() + boundary + b'"\r\n\r\n'


def _boundary(subtype: str, texts: Sequence[TextPart], attachments: Sequence[MimeAttachment]) -> bytes:
    """Return a boundary made from the contents: the same each time, and no sender can write it into a part.

    A file in base64 has no line that could be a boundary, so its name is enough.
    """
    digest = hashlib.sha256(subtype.encode())
    pieces = [text.content for text in texts]
    pieces += [file.content for file in attachments if file.content_type.startswith("message/")]
    for octets in pieces:
        for piece in octets():
            digest.update(piece)
    digest.update(repr([(file.filename, file.content_type) for file in attachments]).encode("utf-8", "replace"))
    return b"=_" + digest.hexdigest()[:40].encode()


def _write_base64(octets: OctetSource, write: WriteBytes) -> None:
    write(b"Content-Transfer-Encoding: base64\r\n\r\n")
    for block in _blocks(octets()):
        write(b"\r\n".join(_BASE64_LINE.findall(base64.b64encode(block))) + b"\r\n")


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in blocks of _OCTETS bytes; the last one may be shorter."""
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) // _OCTETS * _OCTETS
        for start in range(0, whole, _OCTETS):
            yield rest[start : start + _OCTETS]
        rest = rest[whole:]
    if rest:
        yield rest

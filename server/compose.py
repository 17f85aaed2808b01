"""A mail out of what was posted: bytes in RFC 5322 form, so that posted mail goes the same way as fetched mail.

Pure, but for the function that takes the bytes: the same parts give the same bytes, and so the same item. Contents are
asked for in pieces and written as they come, so that no mail is held whole.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from server.headers import mailbox, parameter, structured, unstructured

#: Fields that describe the body that a gateway had, not the one that is composed here.
BODY_FIELDS = ("mime-version", "content-")

#: Gives octets in pieces of any length, each time from the first one on.
Octets = Callable[[], Iterable[bytes]]

#: Takes the next bytes of a mail.
Write = Callable[[bytes], object]

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
    """A file: `content_type` is `type/subtype` with parameters or none; `content_id` that of a picture in the HTML."""

    filename: str
    content_type: str
    content: Octets
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """What is to be read: `subtype` is plain or html, `charset` what its octets are said to be."""

    subtype: str
    content: Octets
    charset: str = "utf-8"


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
    """The letter as a mail, for those who have room for it."""
    mail = BytesIO()
    write_letter(letter, mail.write)
    return mail.getvalue()


def write_letter(letter: Letter, write: Write) -> None:
    """The letter as a mail: what identifies it first, then other headers, then MIME."""
    texts = [_read(subtype, text) for subtype, text in (("plain", letter.text), ("html", letter.html)) if text]
    write_mail(_head(letter).encode("utf-8", "replace"), texts, letter.attachments, write)


def write_mail(head: bytes, texts: Sequence[Text], attachments: Sequence[Attachment], write: Write) -> None:
    """*head* (whole lines of header fields), then MIME (RFC 2045, 2046): one text or several as alternatives; with
    files, the first part of a mixed one.
    """
    write(head + b"MIME-Version: 1.0\r\n")
    texts = texts or [_read("plain", "")]
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


def _read(subtype: str, text: str) -> Text:
    octets = _LINE_END.sub("\r\n", text).encode("utf-8", "replace")
    return Text(subtype, lambda: [octets])


def _head(letter: Letter) -> str:
    parts = [structured("Message-ID", letter.message_id)]
    parts += [structured("Date", letter.date)] if letter.date else []
    parts += [_addresses("From", (letter.sender,)), _addresses("To", letter.to), _addresses("Cc", letter.cc)]
    parts += [unstructured("Subject", letter.subject)] if letter.subject else []
    own = {"message-id", "date", "from", "to", "cc", "bcc"} | ({"subject"} if letter.subject else set())
    for name, value in letter.headers:
        if name.lower() not in own and not name.lower().startswith(BODY_FIELDS):
            parts.append(structured(name, value) if value.isascii() else unstructured(name, value))
    return "".join(parts)


def _addresses(name: str, addresses: tuple[Address, ...]) -> str:
    if not addresses:
        return ""
    return f"{name}: " + ",\r\n ".join(mailbox(a.name, a.address, len(name) + 2) for a in addresses) + "\r\n"


def _write_texts(texts: Sequence[Text], write: Write) -> None:
    if len(texts) == 1:
        _write_text(texts[0], write)
        return
    boundary = _boundary("alternative", texts, ())
    write(_multipart("alternative", boundary))
    for text in texts:
        write(b"--" + boundary + b"\r\n")
        _write_text(text, write)
    write(b"--" + boundary + b"--\r\n")


def _write_text(text: Text, write: Write) -> None:
    write(f"Content-Type: text/{text.subtype}; charset={text.charset}\r\n".encode())
    _write_base64(text.content, write)


def _write_file(attachment: Attachment, write: Write) -> None:
    kind = attachment.content_type
    if kind.startswith("multipart/"):  # its parts are not ours to vouch for
        kind = "application/octet-stream"
    disposition = "inline" if attachment.content_id else "attachment"
    head = f"Content-Disposition: {disposition}" + parameter("filename", attachment.filename) + "\r\n"
    head += f"Content-ID: <{attachment.content_id}>\r\n" if attachment.content_id else ""
    write(f"{head}Content-Type: {kind}\r\n".encode())
    if not kind.startswith("message/"):
        _write_base64(attachment.content, write)
        return
    write(b"Content-Transfer-Encoding: 8bit\r\n\r\n")  # may not be encoded (RFC 2046 §5.2)
    for piece in attachment.content():
        write(piece)


def _multipart(subtype: str, boundary: bytes) -> bytes:
    return f'Content-Type: multipart/{subtype};\r\n boundary="'.encode() + boundary + b'"\r\n\r\n'


def _boundary(subtype: str, texts: Sequence[Text], attachments: Sequence[Attachment]) -> bytes:
    """Drawn from the parts themselves: the same each time, and nobody can have written it into one of them.

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


def _write_base64(octets: Octets, write: Write) -> None:
    write(b"Content-Transfer-Encoding: base64\r\n\r\n")
    for block in _blocks(octets()):
        write(b"\r\n".join(_BASE64_LINE.findall(base64.b64encode(block))) + b"\r\n")


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same octets in lengths of _OCTETS, the last one shorter."""
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) // _OCTETS * _OCTETS
        for start in range(0, whole, _OCTETS):
            yield rest[start : start + _OCTETS]
        rest = rest[whole:]
    if rest:
        yield rest

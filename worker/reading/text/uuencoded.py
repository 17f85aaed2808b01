"""Takes files out of plain text: before MIME, files were sent in the text, uuencoded or in Base64 (POSIX uuencode)."""

import re
from dataclasses import dataclass
from mimetypes import MimeTypes

from worker.reading.mime import charset
from worker.reading.mime.headers import Headers
from worker.reading.mime.parts import Part
from worker.reading.mime.transfer import decode_base64, undo_uu

_BEGIN = re.compile(rb"^begin(-base64)? [0-7]{3,4} {1,5}([^\r\n]{1,200})\r?\n", re.MULTILINE)
#: The lines between: no line of ordinary text is one, since these have no small letters.
_LINES = re.compile(rb"(?:[ -`]{0,90}\r?\n)*+")
_END = re.compile(rb"end[ \t]*\r?(?:\n|\Z)")
_BASE64_LINES = re.compile(rb"(?:[A-Za-z0-9+/=]{0,100}\r?\n)*?(?====)")
_BASE64_END = re.compile(rb"====[ \t]*\r?(?:\n|\Z)")
_TYPES = MimeTypes()


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    content: bytes
    end: int


def take_out_files(text: bytes, declared: str | None, most: int) -> tuple[bytes, list[Part]]:
    """Return the text without the files in it, at most *most*, and these as parts. *declared*: charset of the names."""
    if b"begin" not in text:
        return text, []
    files: list[Part] = []
    kept: list[bytes] = []
    position = 0
    while len(files) < most and (begin := _BEGIN.search(text, position)):
        found = _read_file(text, begin, declared)
        kept.append(text[position : begin.start() if found else begin.end()])
        position = found.end if found else begin.end()
        if found:
            files.append(_part(found))
    return b"".join([*kept, text[position:]]), files


def _read_file(text: bytes, begin: re.Match[bytes], declared: str | None) -> _Found | None:
    lines, last = (_BASE64_LINES, _BASE64_END) if begin[1] else (_LINES, _END)
    body = lines.match(text, begin.end())
    if body is None:
        return None
    end = last.match(text, body.end())
    if not begin[1] and not _is_encoded(body[0], is_whole=end is not None):
        return None
    if begin[1] and end is None:
        return None
    content = decode_base64(body[0]) if begin[1] else undo_uu(body[0])
    name = charset.decode_header(begin[2].strip(), declared)
    return _Found(name, content, end.end() if end else body.end())


def _is_encoded(lines: bytes, *, is_whole: bool) -> bool:
    """Say whether the first line has the length that it declares; a checksum may follow it."""
    data = [line for line in lines.splitlines() if line.strip(b" `")]
    if not data:
        return is_whole  # an empty file
    length = len(data[0])
    declared = 1 + ((data[0][0] - 0x20 & 0x3F) + 2) // 3 * 4
    if length > declared + 2:
        return False
    if not is_whole:  # the mail was cut
        return len(data) > 1 and length >= declared
    # Blanks at the ends of lines, which stand for zeros, may be lost. All lines but the last are equally long.
    return length >= declared or length == 1 or (len(data) > 1 and all(line.startswith(b"M") for line in data[:-1]))


def _part(found: _Found) -> Part:
    kind = _TYPES.guess_type(found.name)[0] or "application/octet-stream"
    headers = Headers()
    headers.add(b"Content-Disposition", b"attachment")
    return Part(headers, kind, {"name": found.name}, found.content, 0, len(found.content))

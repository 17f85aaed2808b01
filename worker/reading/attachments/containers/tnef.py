"""Reads TNEF, in which Outlook packs files and text (MS-OXTNEF): one pass, whose work is linear in the bytes.

Own code instead of tnefparse: that repeats what a count in the file says, up to four billion times.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import error, unpack_from

from worker.reading.attachments.containers.codepages import USUAL, codec_of
from worker.reading.attachments.containers.compressed_rtf import unpack_rtf
from worker.reading.attachments.library_guard import DAMAGED, UnreadableError

SIGNATURE = b"\x78\x9f\x3e\x22"

# Attributes: their levels, and the ids without their types.
_MESSAGE_LEVEL, _ATTACHMENT_LEVEL = 1, 2
_BODY, _CODEPAGE, _MESSAGE_PROPERTIES = 0x800C, 0x9007, 0x9003
_BEGIN, _TITLE, _DATA, _ATTACHMENT_PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
#: Bytes of an attribute around its data: level, id, type and length before, a checksum after it.
_HEAD, _TAIL = 9, 2
#: What programs add behind the last attribute.
_FILLING = b"\0 \r\n\t"

# Properties (MS-OXPROPS) of the message, and of an attachment.
_TEXT, _HTML, _RTF, _INTERNET_CODEPAGE = 0x1000, 0x1013, 0x1009, 0x3FDE
_LONG_NAME, _NAME, _OBJECT = 0x3707, 0x3704, 0x3701
_WANTED = {_TEXT, _HTML, _RTF, _INTERNET_CODEPAGE, _LONG_NAME, _NAME, _OBJECT}
#: Bytes of the values of each type with a fixed size (MS-OXCDATA §2.11.1), with their padding.
_FIXED = {0x02: 4, 0x0B: 4, 0x03: 4, 0x04: 4, 0x0A: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x14: 8, 0x40: 8, 0x48: 16}
_MULTIPLE, _UNICODE, _NAMED, _NAMED_BY_TEXT = 0x1000, 0x1F, 0x8000, 1
_VARIABLE = {0x0D, 0x1E, _UNICODE, 0x102, 0x00}
#: An attached message begins with this id of its interface.
_MESSAGE_ID = bytes.fromhex("0703020000000000c000000000000046")


@dataclass(slots=True)
class _File:
    names: dict[int, str] = field(default_factory=dict)
    content: bytes = b""


def tnef_files(data: bytes, most: int) -> tuple[list[tuple[str, bytes]], str | None]:
    """Return name and content of at most *most* files, and of the text of the message; and why the rest was not read.

    A name may be "". Raises ValueError for what is no TNEF.
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("no TNEF")
    message, reason = _Message(), None
    text: list[tuple[str, bytes]] = []
    try:
        message.read(data, most)
    except (ValueError, error):
        reason = DAMAGED
    try:
        text = message.text()
    except UnreadableError as unreadable:
        reason = unreadable.reason
    return [*((_best_name(file), file.content) for file in message.files), *text], reason


@dataclass(slots=True)
class _Message:
    files: list[_File] = field(default_factory=list)
    texts: dict[int, bytes] = field(default_factory=dict)
    codepage: str = USUAL

    def read(self, data: bytes, most: int) -> None:
        for level, name, start, end in _attributes(data):
            if level == _MESSAGE_LEVEL:
                self.add(name, data, start, end)
            elif name == _BEGIN and len(self.files) >= most:
                return
            else:
                self.add_to_file(name, data, start, end)

    def add(self, name: int, data: bytes, start: int, end: int) -> None:
        if name == _CODEPAGE:
            self.codepage = codec_of(unpack_from("<I", data, start)[0])
        elif name == _BODY:
            self.texts[_TEXT] = data[start:end]
        elif name == _MESSAGE_PROPERTIES:
            self.texts |= {key: _in_bytes(value, kind) for key, kind, value in _properties(data, start, end)}

    def add_to_file(self, name: int, data: bytes, start: int, end: int) -> None:
        if name == _BEGIN:
            self.files.append(_File())
        elif self.files:
            _add(self.files[-1], name, data, start, end, self.codepage)

    def text(self) -> list[tuple[str, bytes]]:
        """Return the best form of the text as a file."""
        for key, name in ((_HTML, "message.html"), (_TEXT, "message.txt"), (_RTF, "message.rtf")):
            if text := self.texts.get(key):
                return [(name, unpack_rtf(text) if key == _RTF else text.rstrip(b"\0"))]
        return []


def _attributes(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield (level, id, start of the data, its end)."""
    at = len(SIGNATURE) + 2
    while at + _HEAD + _TAIL < len(data):
        level, name, _, length = unpack_from("<BHHI", data, at)
        if level not in (_MESSAGE_LEVEL, _ATTACHMENT_LEVEL):
            if data[at:].strip(_FILLING):
                raise ValueError("no attribute")
            return
        start = at + _HEAD
        end = min(start + length, len(data) - _TAIL)
        yield level, name, start, end
        at = start + length + _TAIL


def _properties(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield (id, type, value) of the wanted properties. Each one takes bytes, so no count leads beyond *end*."""
    at += 4
    while at + 4 < end:
        kind, name = unpack_from("<HH", data, at)
        at += 4
        if name >= _NAMED:
            kind_of_name, size = unpack_from("<II", data, at + 16)
            at += 24 + (size + -size % 4 if kind_of_name == _NAMED_BY_TEXT else 0)
        basic, count = kind & ~_MULTIPLE, 1
        if kind & _MULTIPLE or basic in _VARIABLE:
            (count,) = unpack_from("<I", data, at)
            at += 4
        if basic in _FIXED:
            if name in _WANTED:
                yield name, basic, data[at : at + _FIXED[basic]]
            at += count * _FIXED[basic]
            continue
        if basic not in _VARIABLE:
            return
        for _ in range(min(count, (end - at) // 4)):
            (size,) = unpack_from("<I", data, at)
            at += 4
            if name in _WANTED:
                yield name, basic, data[at : min(at + size, end)]
            at += size + -size % 4
            if at + 4 > end:
                return


def _add(file: _File, name: int, data: bytes, start: int, end: int, codepage: str) -> None:
    if name == _TITLE:
        file.names[_TITLE] = data[start:end].decode(codepage, "replace")
    elif name == _DATA:
        file.content = data[start:end]
    elif name == _ATTACHMENT_PROPERTIES:
        for key, kind, value in _properties(data, start, end):
            if key == _OBJECT:
                file.content = value.removeprefix(_MESSAGE_ID)
            elif key in (_LONG_NAME, _NAME):
                file.names[key] = value.decode("utf-16-le" if kind == _UNICODE else codepage, "replace")


def _in_bytes(value: bytes, kind: int) -> bytes:
    return value.decode("utf-16-le", "replace").encode() if kind == _UNICODE else value


def _best_name(file: _File) -> str:
    names = (file.names.get(key, "").rstrip("\0") for key in (_LONG_NAME, _NAME, _TITLE))
    return next(filter(None, names), "")

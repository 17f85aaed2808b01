"""Takes the text and the files out of a message that Outlook saved (.msg, MS-OXMSG)."""

import io
from collections.abc import Iterator
from struct import Struct
from typing import Any

from worker.reading.attachments.containers.codepages import codec_of
from worker.reading.attachments.containers.unfolding import MAX_DEPTH, InnerFile, UnfoldBudget
from worker.reading.attachments.library_guard import DAMAGED, TOO_COMPLEX, TOO_LARGE, UnreadableError
from worker.reading.mime.parts import BOM

#: Streams of one file, and bytes of one.
MAX_STREAMS, MAX_STREAM_BYTES = 1_000, 8 * 1024 * 1024

_SUBJECT, _BODY, _HTML, _SENDER_NAME, _SENDER, _TO, _SENT = "0037", "1000", "1013", "0C1A", "5D01", "0E04", "007D"
_LONG_NAME, _SHORT_NAME, _MIME_TYPE, _DATA, _MESSAGE = "3707", "3704", "370E", "37010102", "3701000D"

_ATTACHMENT, _PROPERTIES = "__attach_version1.0_#", "__properties_version1.0"

#: Properties of a fixed size (§2.4): type and id, flags, value; bytes before them in a file, and in a message inside.
_PROPERTY, _HEAD, _NESTED_HEAD, _MAX_PROPERTIES = Struct("<IIII"), 32, 24, 1_000
#: PidTagMessageCodepage and PidTagInternetCodepage, integers.
_CODEPAGES = (0x3FFD0003, 0x3FDE0003)

_Path = tuple[str, ...]


def outlook_files(content: bytes, budget: UnfoldBudget) -> Iterator[InnerFile]:
    """Yield the text of the message as a file, then its files; those of messages inside it with their path."""
    import olefile  # rarely needed

    with olefile.OleFileIO(io.BytesIO(content)) as ole:
        streams = [tuple(path) for path in ole.listdir()]
        if len(streams) > MAX_STREAMS:
            raise UnreadableError(TOO_COMPLEX)
        yield from _Message(ole, streams, budget).files((), (), 1)


class _Message:
    def __init__(self, ole: Any, streams: list[_Path], budget: UnfoldBudget) -> None:
        self._ole = ole
        self._streams = set(streams)
        self._budget = budget
        self._codecs: dict[_Path, str] = {}

    def files(self, at: _Path, path: _Path, depth: int) -> Iterator[InnerFile]:
        """Yield the files of the message whose streams are below *at*."""
        yield from self._body(at, path)
        folders = {each[: len(at) + 1] for each in self._streams if each[: len(at)] == at and len(each) > len(at) + 1}
        found = sorted(each for each in folders if each[-1].startswith(_ATTACHMENT))
        fitting = self._budget.fitting([self._size(folder, _DATA) for folder in found])
        for n, folder in enumerate(found):
            yield from self._attachment(folder, path, depth, fits=n in fitting)

    def _body(self, at: _Path, path: _Path) -> Iterator[InnerFile]:
        """Yield the text, or the page and the head as text, in which fields are found, too."""
        try:
            html = self._bytes(at, _HTML + "0102") or _utf8(self._text(at, _HTML))
            text = "" if html else self._text(at, _BODY)
        except UnreadableError as error:
            yield InnerFile("message.txt", "text/plain", self._head(at).encode(), error.reason, path)
            return
        if html or text:
            yield InnerFile("message.txt", "text/plain", (self._head(at) + text).encode(), path=path)
        if html:
            yield InnerFile("message.html", "text/html", html, path=path)

    def _attachment(self, at: _Path, path: _Path, depth: int, *, fits: bool) -> Iterator[InnerFile]:
        inner = (*at, f"__substg1.0_{_MESSAGE}")
        if any(each[: len(inner)] == inner for each in self._streams):
            name = f"{self._text(inner, _SUBJECT) or 'message'}.msg"
            if depth < MAX_DEPTH:
                yield from self.files(inner, (*path, name), depth + 1)
            else:
                yield InnerFile(name, "application/vnd.ms-outlook", b"", unread=TOO_COMPLEX, path=path)
            return
        name = self._text(at, _LONG_NAME) or self._text(at, _SHORT_NAME)
        data, reason = b"", None if fits else TOO_LARGE
        if fits:
            try:
                data = self._bytes(at, _DATA)
            except UnreadableError as error:
                reason = error.reason
            except OSError:  # the library's own error is one
                reason = DAMAGED
        yield InnerFile(name, self._text(at, _MIME_TYPE), data, reason, path)

    def _head(self, at: _Path) -> str:
        sender = " ".join(filter(None, (self._text(at, _SENDER_NAME), self._text(at, _SENDER))))
        lines = (("From", sender), ("To", self._text(at, _TO)), ("Subject", self._text(at, _SUBJECT)))
        return "".join(f"{name}: {value}\n" for name, value in lines if value) + "\n"

    def _text(self, at: _Path, name: str) -> str:
        """Return a text property: as UTF-16, else in the code page of the message."""
        if wide := self._bytes(at, name + "001F"):
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        narrow = self._bytes(at, name + "001E")
        return narrow.decode(self._codec(at), "replace").rstrip("\0") if narrow else ""

    def _codec(self, at: _Path) -> str:
        """Return the codec of the message at *at*, or of the one whose attachment that is."""
        message = at[:-1] if at and at[-1].startswith(_ATTACHMENT) else at
        if message not in self._codecs:
            stream = (*message, _PROPERTIES)
            data = self._read(stream)[: _MAX_PROPERTIES * _PROPERTY.size]
            found = {}
            for start in range(_NESTED_HEAD if message else _HEAD, len(data) - _PROPERTY.size + 1, _PROPERTY.size):
                tag, _, value, _ = _PROPERTY.unpack_from(data, start)
                found[tag] = value
            self._codecs[message] = codec_of(next(filter(None, map(found.get, _CODEPAGES)), 1252))
        return self._codecs[message]

    def _size(self, at: _Path, name: str) -> int:
        stream = (*at, f"__substg1.0_{name}")
        return int(self._ole.get_size(list(stream))) if stream in self._streams else 0

    def _bytes(self, at: _Path, name: str) -> bytes:
        return self._read((*at, f"__substg1.0_{name}"))

    def _read(self, stream: _Path) -> bytes:
        if stream not in self._streams:
            return b""
        size = self._ole.get_size(list(stream))
        if size > MAX_STREAM_BYTES:
            raise UnreadableError(TOO_COMPLEX)
        self._budget.take(size)
        found: bytes = self._ole.openstream(list(stream)).read()
        return found


def _utf8(html: str) -> bytes:
    """Return the page with a mark of its charset, which counts before the one that it declares."""
    return BOM + html.encode("utf-8", "replace") if html else b""

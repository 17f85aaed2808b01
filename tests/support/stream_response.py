"""Parses one response of the event stream as it arrives: HTTP/1.1, chunks, gzip, messages. Cheap for hundreds."""

import asyncio
import socket
import zlib
from collections.abc import Callable, Sequence
from typing import cast

#: `on_message(response, id, data)` for each message, `on_end(response)` once.
OnMessage = Callable[["StreamResponse", str, bytes], None]
OnEnd = Callable[["StreamResponse"], None]


class StreamResponse(asyncio.Protocol):
    """One response. After `hang_up` it calls nothing."""

    def __init__(self, request: Sequence[str], on_message: OnMessage, on_end: OnEnd) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        #: Milliseconds of the last `retry`.
        self.retry = 0
        #: Whether the response is complete as HTTP defines it.
        self.whole = False
        self._request = "\r\n".join([*request, "", ""]).encode()
        self._on_message, self._on_end = on_message, on_end
        self._bytes, self._text = bytearray(), bytearray()
        #: Bytes of the body that have not arrived; below 0 if the length is unknown.
        self._due = -1
        self._unzip: Callable[[bytes], bytes] = bytes
        self._transport: asyncio.Transport | None = None
        self._left = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._left:
            self._transport.abort()
        self._transport.write(self._request)

    def hang_up(self) -> None:
        """Close at once."""
        self._left = True
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Stop reading, as a program that hangs does; its socket buffer is small."""
        assert self._transport is not None
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read again, unless the response has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._left:
            self._end()

    def _end(self) -> None:
        self.hang_up()
        self._on_end(self)

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        if not self.status and not self._head():
            return
        chunked = self.headers.get("transfer-encoding") == "chunked"
        body = b"".join(self._chunks()) if chunked else self._rest()
        self._text += self._unzip(body)
        self._messages()
        if self.whole and not self._left:
            self._end()

    def _head(self) -> bool:
        """Parse the head of the response. False when it is not complete yet."""
        head, found, rest = self._bytes.partition(b"\r\n\r\n")
        if not found:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        if self.headers.get("content-encoding") == "gzip":
            self._unzip = zlib.decompressobj(31).decompress
        self._due = int(self.headers.get("content-length", -1))
        self._bytes = rest
        return True

    def _rest(self) -> bytes:
        body = bytes(self._bytes)
        self._bytes.clear()
        self._due -= len(body)
        self.whole = self._due == 0
        return body

    def _chunks(self) -> list[bytes]:
        found, at = [], 0
        while (end := self._bytes.find(b"\r\n", at)) >= 0:
            size = int(self._bytes[at:end], 16)
            if len(self._bytes) < end + 4 + size:
                break
            found.append(bytes(self._bytes[end + 2 : end + 2 + size]))
            self.whole = size == 0
            at = end + 4 + size
        del self._bytes[:at]
        return found

    def _messages(self) -> None:
        *blocks, rest = bytes(self._text).split(b"\n\n")
        self._text = bytearray(rest)
        for block in blocks:
            name, data = "", b""
            for line in block.split(b"\n"):
                if line.startswith(b"data: "):
                    data = line[6:]
                elif line.startswith(b"id: "):
                    name = line[4:].decode()
                elif line.startswith(b"retry: "):
                    self.retry = int(line[7:])
            if data and not self._left:
                self._on_message(self, name, data)

"""One request on a connection and its answer, with the deadlines for the client."""

import socket
from collections.abc import Awaitable

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream

#: While an answer waits for its client, the client must take so many bytes in so many seconds, or the rest of it.
READ_BYTES = 64 * 1024
READ_SECONDS = 60.0

#: Seconds in which a new connection must send the head of a request while descriptors lack.
HEAD_SECONDS = 5.0


class Exchange(HTTPMessageDelegate):
    """One request on a connection, and its answer. It is idle until the head of the request is there."""

    __slots__ = ("_connection", "_inner", "_is_idle", "_taken", "_waiting_since", "begun", "is_first")

    def __init__(
        self, inner: HTTPMessageDelegate, connection: HTTP1Connection, *, is_first: bool, begun: float
    ) -> None:
        self.begun = begun
        #: Whether the connection has had no request before.
        self.is_first = is_first
        self._inner = inner
        self._connection = connection
        self._is_idle = True
        #: Since when the client has not taken READ_BYTES of a waiting answer, and how many it had taken then.
        self._waiting_since: float | None = None
        self._taken = 0

    @property
    def stream(self) -> IOStream | None:
        """The open stream of the connection; None when it was detached or closed."""
        stream: IOStream | None = self._connection.stream
        return None if stream is None or stream.closed() else stream

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        self._is_idle = False
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()

    def end_if_idle(self) -> bool:
        """Close the connection unless some bytes of a request have come in; return whether it was closed."""
        stream = self.stream
        is_idle = stream is not None and self._awaits_head(stream) and not stream._read_buffer_size
        if stream is not None and is_idle:
            stream.close()
        return is_idle

    def _awaits_head(self, stream: IOStream) -> bool:
        """Return whether the whole head is not there. It is when the stream has read it and does not read more."""
        return self._is_idle and stream.reading() and not _has_bytes(stream)

    def is_late(self, now: float) -> bool:
        """Return whether the head of the request has not been read within HEAD_SECONDS."""
        return self._is_idle and now - self.begun >= HEAD_SECONDS and self.stream is not None

    def lacks_head(self, now: float) -> bool:
        """Return whether the client has not sent the whole head of its request within HEAD_SECONDS."""
        stream = self.stream
        return stream is not None and self.is_late(now) and self._awaits_head(stream)

    def end_if_unread(self, now: float) -> bool:
        """Close the connection when its client takes too little of the answer; return whether it was closed."""
        stream = self.stream
        if stream is None or not stream.writing():
            self._waiting_since = None
            return False
        taken = stream._total_write_done_index
        if self._waiting_since is None or taken - self._taken >= READ_BYTES:
            self._waiting_since, self._taken = now, taken
        if now - self._waiting_since < READ_SECONDS:
            return False
        stream.close()
        return True


def _has_bytes(stream: IOStream) -> bool:
    """Return whether the socket has bytes, or its end, that the event loop has not read yet."""
    try:
        stream.socket.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, OSError):
        return False
    return True

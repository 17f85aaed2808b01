"""One event stream on a socket that was taken from Tornado: no task, no queue and no coroutine.

Whole frames are handed over; what the socket takes at once never touches a buffer of ours.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from tornado.iostream import IOStream, StreamBufferFullError, StreamClosedError

from server import sse
from server.limits import Slot

#: Linux: milliseconds that sent bytes may stay unacknowledged before the kernel gives the peer up (RFC 5482).
_USER_TIMEOUT = 60_000

#: Seconds that accepted bytes may take to leave after the end.
_LINGER = 5.0

#: Seconds between looks at whether a slow reader has caught up.
_LOOK = 0.02


class Stream:
    """A detached response body. `ended` is called once, with the reason, however it ends."""

    __slots__ = (
        "_ended",
        "_send",
        "_stream",
        "beat_at",
        "chunked",
        "closed",
        "end_at",
        "filter",
        "id",
        "opened_at",
        "rotate_at",
        "rotating",
        "sent_at_open",
        "since",
        "slot",
    )  # fmt: skip

    def __init__(
        self,
        stream: IOStream,
        *,
        id: str,
        chunked: bool,
        buffer: int,
        slot: Slot,
        ended: Callable[["Stream", str], None],
    ) -> None:
        self.id = id
        self.slot = slot
        self.filter = sse.EVERYTHING
        self.closed = False
        self.rotating = False
        self.opened_at = self.rotate_at = self.end_at = self.beat_at = 0.0
        self.sent_at_open = 0
        #: When bytes began to wait for the reader; 0 = none wait.
        self.since = 0.0
        self._stream = stream
        self.chunked = chunked
        self._ended = ended
        # A TLS stream must encrypt first; a plain socket takes the shared bytes as they are.
        self._send = stream.socket.send if not isinstance(stream.socket, ssl.SSLSocket) else None
        stream.max_write_buffer_size = buffer
        with suppress(OSError, AttributeError):  # not a TCP socket, or not Linux
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT)
        stream.set_close_callback(self._gone)
        # Nothing may come after the request. A pending read also lets us see the client leave.
        asyncio.ensure_future(stream.read_bytes(1)).add_done_callback(self._heard)

    def frame(self, payload: bytes) -> bytes:
        """*payload* as it goes over this connection: in a chunk, or as it is for HTTP/1.0."""
        return sse.chunk(payload) if self.chunked else payload

    def write(self, frame: bytes) -> None:
        """Send what `frame` gave. A reader too slow for its budget is closed: resuming heals it."""
        sent = 0
        if self._send is not None and (self.since == 0.0 or not self.waiting()):
            try:
                sent = self._send(frame)
            except BlockingIOError:
                pass
            except OSError:
                self.close("client")
                return
            if sent == len(frame):
                return
        try:
            self._stream.write(frame[sent:])
        except StreamBufferFullError:
            self.abort("slow")
        except StreamClosedError:
            self.close("client")
        else:
            if self.since == 0.0 and self._stream.writing():
                self.since = asyncio.get_running_loop().time()

    def waiting(self) -> bool:
        """Whether bytes wait for the reader."""
        if self.since and not self._stream.writing():
            self.since = 0.0
        return self.since != 0.0

    async def drained(self, seconds: float) -> bool:
        """Wait until nothing waits; False when the reader took more than *seconds* or left."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.waiting() and not self.closed:
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(_LOOK)
        return not self.closed

    def finish(self, reason: str) -> None:
        """End the response properly, so that the client sees a whole body."""
        if not self.closed and self.chunked:
            self.write(sse.LAST_CHUNK)
        self.close(reason)

    def close(self, reason: str) -> None:
        """Close the socket and give everything back. The first reason counts."""
        if self.closed:
            return
        if self._stream.writing():
            # What was accepted still goes out, to a reader that reads.
            self._stream.write(b"").add_done_callback(lambda _: self._stream.close())
            asyncio.get_running_loop().call_later(_LINGER, self._stream.close)
            self._end(reason)
        else:
            self.abort(reason)

    def abort(self, reason: str) -> None:
        """Close at once, whatever still waits."""
        if not self.closed:
            self._end(reason)
        self._stream.close()

    def _end(self, reason: str) -> None:
        self.closed = True
        self.slot.release()
        self._stream.set_close_callback(None)
        self._ended(self, reason)

    def _gone(self) -> None:
        self.close("client")

    def _heard(self, future: "asyncio.Future[bytes]") -> None:
        if not future.cancelled() and future.exception() is None:
            self.close("noise")

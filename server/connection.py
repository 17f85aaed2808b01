"""One event stream on a socket that was taken from Tornado: no task, no queue, no coroutine and no buffer.

Whole frames are handed over. What the socket takes at once is never held; what it does not take is held as references
to the frames that all streams share, so that a crowd of slow readers costs a few bytes each and not a copy each.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from itertools import islice
from typing import Protocol

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

from server import sse
from server.auth import Credential
from server.limits import Slot

#: Linux: milliseconds that sent bytes may stay unacknowledged before the kernel gives the peer up (RFC 5482).
_USER_TIMEOUT = 60_000

#: Seconds that accepted bytes may take to leave after the end.
LINGER = 5.0

#: Frames that are handed to the socket in one call (writev takes 1,024 on Linux).
_AT_ONCE = 64

#: A socket's `send`.
Send = Callable[[bytes], int]


class Company(Protocol):
    """Those with whom a stream is told the same (server/crowd.py)."""

    def fell_behind(self, stream: "Stream") -> None:
        """Something waits for *stream* now."""

    def caught_up(self, stream: "Stream") -> None:
        """Nothing waits for it any more."""


class Deadlines(Protocol):
    """What the wheel keeps of a stream until its time has come (server/deadlines.py)."""

    def leave(self) -> None:
        """The stream has ended: forget it."""


class Stream:
    """A detached response body. `ended` is called once, with the reason, however it ends."""

    __slots__ = (
        "_ended",
        "_head",
        "_held",
        "_latest",
        "_linger",
        "_loop",
        "_socket",
        "_waiter",
        "beat_at",
        "buffer",
        "chunked",
        "closed",
        "credential",
        "crowd",
        "end_at",
        "filter",
        "id",
        "life",
        "opened_at",
        "queued",
        "rotate_at",
        "rotating",
        "send",
        "sent",
        "since",
        "slot",
    )  # fmt: skip

    def __init__(
        self,
        taken: socket.socket,
        *,
        id: str,
        chunked: bool,
        head: bytes = b"",
        buffer: int,
        slot: Slot,
        ended: Callable[["Stream", str], None],
    ) -> None:
        """*taken* is this object's from now on; a frame is refused when *buffer* bytes wait already.

        *head* goes out with the first frame, in one send.
        """
        self.id = id
        self.slot = slot
        self.filter = sse.EVERYTHING
        #: What its client presented; None: nothing that could be taken back.
        self.credential: Credential | None = None
        self.closed = False
        self.crowd: Company | None = None
        self.life: Deadlines | None = None
        self.rotating = False
        self.rotate_at = self.end_at = self.beat_at = 0.0
        self.chunked = chunked
        self.buffer = buffer
        #: Bytes that were accepted, those that wait included, but for what the crowd counts; bytes that wait.
        self.sent = self.queued = 0
        #: Since when bytes wait for the reader and none has left; 0 = none wait.
        self.since = 0.0
        self._head = head
        self._held: deque[bytes | memoryview] | None = None
        #: What a slow reader is told when it has caught up; of each kind the newest only.
        self._latest: dict[Hashable, bytes] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._ended = ended
        self._socket = taken
        #: The socket's: for the crowd, which hands what was not taken to `fell_short`.
        self.send: Send = taken.send
        self._loop = asyncio.get_running_loop()
        self.opened_at = self._loop.time()
        #: Who waits until nothing waits for the reader any more.
        self._waiter: asyncio.Future[None] | None = None
        with suppress(OSError, AttributeError):  # not a TCP socket, or not Linux
            # Nagle's algorithm would hold an event back until the one before it is acknowledged, 40 ms at some clients.
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT)
        self._loop.add_reader(taken, self._heard)

    def frame(self, payload: bytes) -> bytes:
        """*payload* as it goes over this connection: in a chunk, or as it is for HTTP/1.0."""
        return sse.chunk(payload) if self.chunked else payload

    @property
    def is_prompt(self) -> bool:
        """Whether what goes to everybody may go to its `send` as one chunk."""
        return self.chunked and self._held is None

    def write(self, frame: bytes) -> None:
        """Send what `frame` gave. A reader too slow for its budget is closed: resuming heals it."""
        if self.closed:
            return
        if self._head:
            frame, self._head = self._head + frame, b""
        if self._held is not None:
            self._hold(frame)
            self.sent += len(frame)
            return
        try:
            taken = self.send(frame)
        except BlockingIOError:
            taken = 0
        except OSError:
            taken = -1
        if taken == len(frame):
            self.sent += taken
        else:
            self.fell_short(frame, taken)

    def fell_short(self, frame: bytes, taken: int) -> None:
        """Nothing waited, *frame* was sent, and the socket took *taken* bytes of it; -1: it is broken."""
        if taken < 0:
            self.abort("client")
            return
        self.sent += len(frame)
        self._held = deque()
        self.since = self._loop.time()
        self._loop.add_writer(self._socket, self._flush)
        self._hold(memoryview(frame)[taken:] if taken else frame)
        if self.crowd is not None:
            self.crowd.fell_behind(self)

    def tell(self, kind: Hashable, frame: bytes) -> None:
        """As `write` for what the next of its *kind* makes worthless: a slow reader gets the newest, in the end."""
        if self._held is None:
            self.write(frame)
        elif not self.closed:
            self._latest = (self._latest or {}) | {kind: frame}

    def _hold(self, rest: bytes | memoryview) -> None:
        assert self._held is not None
        if self.queued > self.buffer:  # before this one: a burst alone makes nobody slow
            self.abort("slow")
            return
        self.queued += len(rest)
        self._held.append(rest)

    def _flush(self) -> None:
        """The socket takes more."""
        held = self._held
        if not held:
            return
        try:
            taken = self._socket.sendmsg(list(islice(held, _AT_ONCE)))
        except BlockingIOError:
            return
        except OSError:
            self.abort("client")
            return
        self.queued -= taken
        self.since = self._loop.time()
        while held and taken >= len(held[0]):
            taken -= len(held.popleft())
        if taken:
            held[0] = memoryview(held[0])[taken:]
        if not held:
            self._held, self.since = None, 0.0
            self._loop.remove_writer(self._socket)
            self._caught_up()
            if self.closed:
                self._hang_up()
                return
            if self.crowd is not None:
                self.crowd.caught_up(self)
            if self._latest:
                latest, self._latest = self._latest, None
                self.write(b"".join(latest.values()))

    async def drained(self, seconds: float) -> bool:
        """Wait, one caller at a time, until nothing waits; False when the reader took over *seconds* or left."""
        if self._held is None or self.closed:
            return not self.closed
        self._waiter = self._loop.create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._waiter
        except TimeoutError:
            return False
        finally:
            self._waiter = None
        return not self.closed

    def _caught_up(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def finish(self, reason: str) -> None:
        """End the response properly, so that the client sees a whole body. The first reason counts."""
        last = sse.LAST_CHUNK if self.chunked else b""
        if self._held is None:
            self.write(last)
        elif not self.closed:
            self._held.append(last)
            self.queued += len(last)
        if self._held is None:
            self.abort(reason)
        elif not self.closed:  # what was accepted still goes out, to a reader that reads
            self._end(reason)
            self._linger = self._loop.call_later(LINGER, self._hang_up)

    def abort(self, reason: str) -> None:
        """Close at once, whatever still waits. The first reason counts."""
        if not self.closed:
            self._end(reason)
        self._hang_up()

    def _end(self, reason: str) -> None:
        self.closed = True
        self.slot.release()
        self._ended(self, reason)

    def _hang_up(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
        self._held, self._latest, self.queued, self.since = None, None, 0, 0.0
        self._caught_up()

    def _heard(self) -> None:
        """Nothing may come after the request: the end of it, or a byte, ends the stream."""
        try:
            data = self._socket.recv(1)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.abort("noise" if data else "client")


def take(stream: IOStream) -> socket.socket | None:
    """The socket of a connection that was detached from Tornado, which forgets it.

    None, and the connection is closed, when the client has left or has sent more than its request, as far as Tornado
    has read; what still lies in the socket is heard by the stream, and ends it.
    """
    if stream.closed():
        return None
    if stream._read_buffer_size:  # to ask for it by a read would cost a tenth of what a stream's opening takes
        stream.close()
        return None
    own = stream.socket
    IOLoop.current().remove_handler(own.fileno())
    taken = socket.socket(own.family, own.type, own.proto, fileno=own.detach())
    stream.close()
    return taken

"""One event stream on a socket that was taken from Tornado: no task, no queue, no coroutine and no buffer.

Callers write whole frames. Bytes that the socket takes at once are never held. The others are held as references to
the frames, which all streams share: a thousand slow readers cost a few bytes each, and not a copy each.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Hashable
from itertools import islice
from typing import Protocol

from server.access.authentication import Credential
from server.stream import client_socket, sse
from server.stream.connection_limits import Slot

#: Seconds that accepted bytes may take to leave after the end.
LINGER = 5.0

#: Frames that the socket gets in one call (writev takes 1,024 on Linux).
_MAX_FRAMES_PER_CALL = 64

#: The `send` of a socket.
Send = Callable[[bytes], int]


class StreamGroup(Protocol):
    """The streams that get the same bytes (server/stream/filter_group.py)."""

    def fell_behind(self, stream: "Stream") -> None:
        """Note that bytes wait for the client of *stream* now."""

    def caught_up(self, stream: "Stream") -> None:
        """Note that no bytes wait any more."""


class CancellableTimer(Protocol):
    """What the timing wheel keeps of a stream until its time comes (server/stream/deadlines.py)."""

    def cancel(self) -> None:
        """Forget the stream, which has ended."""


class Stream:
    """The body of a detached response. `on_end` is called once, with the reason, however it ends."""

    __slots__ = (
        "_head", "_held", "_latest", "_linger", "_loop", "_on_end", "_socket", "_waiter", "blocked_since",
        "credential", "end_at", "filter", "group", "heartbeat_at", "id", "is_chunked", "is_closed", "is_rotating",
        "lifetime_timer", "max_queued_bytes", "opened_at", "queued_bytes", "rotate_at", "send", "slot",
    )  # fmt: skip

    def __init__(
        self,
        client: socket.socket,
        *,
        id: str,
        is_chunked: bool,
        head: bytes = b"",
        max_queued_bytes: int,
        slot: Slot,
        on_end: Callable[["Stream", str], None],
    ) -> None:
        """Own the socket *client* from now on. The stream ends when more than *max_queued_bytes* wait at a write.

        *head*, the head of the response, goes out with the first frame, in one send.
        """
        self.id = id
        self.slot = slot
        self.filter = sse.UNFILTERED
        #: What the client signed in with; None: nothing that could be revoked.
        self.credential: Credential | None = None
        self.is_closed = False
        self.group: StreamGroup | None = None
        self.lifetime_timer: CancellableTimer | None = None
        self.is_rotating = False
        self.rotate_at = self.end_at = self.heartbeat_at = 0.0
        self.is_chunked = is_chunked
        self.max_queued_bytes = max_queued_bytes
        #: Bytes that wait for the client.
        self.queued_bytes = 0
        #: When the last bytes left while others waited, in seconds of the loop's clock; 0 = none wait.
        self.blocked_since = 0.0
        self._head = head
        self._held: deque[bytes | memoryview] | None = None
        #: State events for a slow reader, sent when it has caught up; only the newest of each kind.
        self._latest: dict[Hashable, bytes] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._on_end = on_end
        self._socket = client
        #: For the filter group, which calls `on_partial_send` when the socket did not take everything.
        self.send: Send = client.send
        self._loop = asyncio.get_running_loop()
        self.opened_at = self._loop.time()
        #: The caller of `wait_drained`.
        self._waiter: asyncio.Future[None] | None = None
        client_socket.set_options(client)
        self._loop.add_reader(client, self._on_readable)

    def encode_payload(self, payload: bytes) -> bytes:
        """Return *payload* in the form of this connection: as a chunk, or unchanged for HTTP/1.0."""
        return sse.encode_chunk(payload) if self.is_chunked else payload

    @property
    def can_send_directly(self) -> bool:
        """Whether a chunk may be passed to `send` without `write`."""
        return self.is_chunked and self._held is None

    def acknowledged_bytes(self) -> int | None:
        """Return how many bytes the client has acknowledged, None where the system does not say."""
        return client_socket.acknowledged_bytes(self._socket)

    def write(self, frame: bytes) -> None:
        """Send what `encode_payload` returned. A client that is too slow is closed; it can resume."""
        if self.is_closed:
            return
        if self._head:
            frame, self._head = self._head + frame, b""
        if self._held is not None:
            self._hold(frame)
            return
        try:
            taken = self.send(frame)
        except BlockingIOError:
            taken = 0
        except OSError:
            taken = -1
        if taken != len(frame):
            self.on_partial_send(frame, taken)

    def on_partial_send(self, frame: bytes, taken: int) -> None:
        """Hold the rest of *frame*, of which the socket took *taken* bytes; -1: it is broken. None waited before."""
        if taken < 0:
            self.abort("client")
            return
        self._held = deque()
        self.blocked_since = self._loop.time()
        self._loop.add_writer(self._socket, self._flush)
        self._hold(memoryview(frame)[taken:] if taken else frame)
        if self.group is not None:
            self.group.fell_behind(self)

    def write_latest(self, kind: Hashable, frame: bytes) -> None:
        """Send a frame that the next of its *kind* replaces: a slow reader gets the newest, when it has caught up."""
        if self._held is None:
            self.write(frame)
        elif not self.is_closed:
            self._latest = (self._latest or {}) | {kind: frame}

    def _hold(self, rest: bytes | memoryview) -> None:
        assert self._held is not None
        if self.queued_bytes > self.max_queued_bytes:  # without this frame: one burst makes no client slow
            self.abort("slow")
            return
        self.queued_bytes += len(rest)
        self._held.append(rest)

    def _flush(self) -> None:
        """Send waiting frames: the socket takes more."""
        held = self._held
        if not held:
            return
        try:
            taken = self._socket.sendmsg(list(islice(held, _MAX_FRAMES_PER_CALL)))
        except BlockingIOError:
            return
        except OSError:
            self.abort("client")
            return
        self.queued_bytes -= taken
        self.blocked_since = self._loop.time()
        while held and taken >= len(held[0]):
            taken -= len(held.popleft())
        if taken:
            held[0] = memoryview(held[0])[taken:]
        if not held:
            self._held, self.blocked_since = None, 0.0
            self._loop.remove_writer(self._socket)
            self._wake_waiter()
            if self.is_closed:
                self._hang_up()
                return
            if self.group is not None:
                self.group.caught_up(self)
            if self._latest:
                latest, self._latest = self._latest, None
                self.write(b"".join(latest.values()))

    async def wait_drained(self, seconds: float) -> bool:
        """Wait, one caller at a time, until no bytes wait. False after *seconds*, or when the client left."""
        if self._held is None or self.is_closed:
            return not self.is_closed
        self._waiter = self._loop.create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._waiter
        except TimeoutError:
            return False
        finally:
            self._waiter = None
        return not self.is_closed

    def _wake_waiter(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def finish(self, reason: str) -> None:
        """End the response properly, so that the client sees a complete body. The first reason counts."""
        last = sse.LAST_CHUNK if self.is_chunked else b""
        if self._held is None:
            self.write(last)
        elif not self.is_closed:
            self._held.append(last)
            self.queued_bytes += len(last)
        if self._held is None:
            self.abort(reason)
        elif not self.is_closed:  # accepted bytes still go out, if the client reads
            self._end(reason)
            self._linger = self._loop.call_later(LINGER, self._hang_up)

    def abort(self, reason: str) -> None:
        """Close at once, even if bytes wait. The first reason counts."""
        if not self.is_closed:
            self._end(reason)
        self._hang_up()

    def _end(self, reason: str) -> None:
        self.is_closed = True
        self.slot.release()
        self._on_end(self, reason)

    def _hang_up(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
        self._held, self._latest, self.queued_bytes, self.blocked_since = None, None, 0, 0.0
        self._wake_waiter()

    def _on_readable(self) -> None:
        """End the stream: after the request, the client may send nothing, and this is a byte or the end."""
        try:
            data = self._socket.recv(1)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.abort("noise" if data else "client")

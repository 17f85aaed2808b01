"""The deadlines of all streams of a process: heartbeats, rotation, the end, and the stall of a slow reader."""

import random
from collections.abc import Callable
from time import time

from server.stream import sse
from server.stream.connection import Stream
from server.stream.replay_buffer import ReplayBuffer
from server.stream.timing_wheel import TimingWheel
from workitems.feed.event import START_CURSOR, Cursor
from workitems.settings import StreamSettings

#: Seconds that a stream stays live after `rotate`, while its client opens the next one.
ROTATION_GRACE = 10.0


class Deadlines:
    """Keeps one timing wheel for every deadline of every stream, and does what is due."""

    def __init__(self, settings: StreamSettings, replay_buffer: ReplayBuffer, *, clock: Callable[[], float]) -> None:
        self.wheel = TimingWheel(min(0.25, settings.heartbeat_seconds / 8), clock=clock)
        self.is_draining = False
        self.rotation_grace = ROTATION_GRACE
        self._settings = settings
        self._replay_buffer = replay_buffer
        self._clock = clock
        #: The slow readers that the wheel has a timer for.
        self._slow: set[Stream] = set()
        #: When the last heartbeat was made, with which head, and its two forms: bare, and as a chunk.
        self._heartbeat: tuple[tuple[float, Cursor], bytes, bytes] = ((-1.0, START_CURSOR), b"", b"")

    def start(self, stream: Stream) -> None:
        """Set the deadlines of a new stream."""
        now, age = self._clock(), self._settings.max_age_seconds
        stream.opened_at = now
        stream.heartbeat_at = now + self._heartbeat_delay()
        stream.rotate_at = now + random.uniform(0.8, 1.0) * age if age else float("inf")

    def watch(self, stream: Stream) -> None:
        """Keep the deadlines of a stream that has joined the hub."""
        end = stream.end_at if stream.is_rotating else stream.rotate_at
        stream.lifetime_timer = LifetimeTimer(self, stream)
        self.wheel.add(stream.lifetime_timer, min(stream.heartbeat_at, end))
        if self.is_draining:  # it came over a connection that was open already, and must move to another process
            self.rotate(stream)

    def watch_stall(self, stream: Stream) -> None:
        """Close *stream*, for which bytes wait now, when none leaves for too long."""
        if stream not in self._slow:
            self._slow.add(stream)
            timeout = self._settings.stall_seconds
            self.wheel.add(StallTimer(stream, timeout, self._slow.discard), self._clock() + timeout)

    def begin_drain(self, seconds: float) -> None:
        """From now on every stream rotates soon, with less time than usual when the drain is short."""
        self.is_draining = True
        self.rotation_grace = min(ROTATION_GRACE, seconds / 3)

    def rotate(self, stream: Stream) -> None:
        """Ask the client to open its next stream. This one stays live meanwhile, but counts for no limit."""
        if stream.is_closed or stream.is_rotating:
            return
        stream.is_rotating = True
        stream.end_at = self._clock() + self.rotation_grace
        stream.slot.release()
        retry = sse.encode_retry(random.randint(200, 3_000))
        # A stream in replay has not joined yet: its client continues from its own cursor, and not from the head.
        cursor = self._replay_buffer.head if stream.group is not None else None
        stream.write(stream.encode_payload(retry + sse.encode_notice("rotate", cursor=cursor)))

    def enforce(self, stream: Stream, now: float) -> bool:
        """Rotate or end *stream* if it is time. Return whether it is still open."""
        if stream.is_rotating and now >= stream.end_at:
            stream.finish("drain" if self.is_draining else "rotate")
        elif now >= stream.rotate_at:
            self.rotate(stream)
        return not stream.is_closed

    def beat(self, stream: Stream, now: float) -> None:
        """Send a heartbeat if it is time, and set the time of the next one: 10 % around the announced interval."""
        if now >= stream.heartbeat_at:
            stream.write(self.heartbeat_frame(now, chunked=stream.is_chunked))
            stream.heartbeat_at = now + self._heartbeat_delay()

    def heartbeat_frame(self, now: float, *, chunked: bool) -> bytes:
        """Return the heartbeat of *now* (seconds of the clock), the same bytes for all streams of one tick."""
        made, bare, chunk = self._heartbeat
        head = self._replay_buffer.head
        if made != (now, head):  # the loop's clock does not move within a turn, in which events may have come
            bare = sse.encode_notice("heartbeat", cursor=head, timestamp=round(time(), 3), head=str(head))
            chunk = sse.encode_chunk(bare)
            self._heartbeat = ((now, head), bare, chunk)
        return chunk if chunked else bare

    def _heartbeat_delay(self) -> float:
        return self._settings.heartbeat_seconds * random.uniform(0.9, 1.1)


class LifetimeTimer:
    """The heartbeats of a joined stream, its rotation, and the end after it."""

    __slots__ = ("_deadlines", "_stream")

    def __init__(self, deadlines: Deadlines, stream: Stream) -> None:
        self._deadlines = deadlines
        self._stream: Stream | None = stream

    def cancel(self) -> None:
        """Forget the stream, which has ended: the wheel keeps this timer until its time comes."""
        self._stream = None

    def fire(self, now: float) -> float | None:
        """See `timing_wheel.Timer`."""
        stream = self._stream
        if stream is None or not self._deadlines.enforce(stream, now):
            return None
        self._deadlines.beat(stream, now)
        return min(stream.heartbeat_at, stream.end_at if stream.is_rotating else stream.rotate_at)


class StallTimer:
    """Closes a stream when bytes wait for its client and none has left for *timeout* seconds."""

    __slots__ = ("_on_end", "_stream", "_timeout")

    def __init__(self, stream: Stream, timeout: float, on_end: Callable[[Stream], None]) -> None:
        """*on_end* is called when there is nothing more to watch."""
        self._stream = stream
        self._timeout = timeout
        self._on_end = on_end

    def fire(self, now: float) -> float | None:
        """See `timing_wheel.Timer`."""
        since = self._stream.blocked_since
        if since and now - since >= self._timeout:
            self._stream.abort("slow")
        elif since:
            return since + self._timeout
        self._on_end(self._stream)
        return None

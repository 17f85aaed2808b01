"""The streams of one filter, and the loop that makes every delivery.

A delivery is a `send`, and after it the memory of the next stream is not in the processor's cache: the kernel has just
used that of another connection. So of a stream that keeps up, the loop uses its `send` alone, and neither an attribute
nor a counter (docs/decisions/0001-detached-streams.md).
"""

from collections.abc import Callable, Hashable, Iterator

from server.stream import sse
from server.stream.connection import Send, Stream
from server.stream.fan_out import TimeSlice

#: Sends between two reads of the clock.
_SLICE = 64


class FilterGroup:
    """The streams with the same filter. All get the same bytes, in one send each."""

    __slots__ = ("_direct", "_on_fell_behind", "_others")

    def __init__(self, on_fell_behind: Callable[[Stream], None] = lambda stream: None) -> None:
        """*on_fell_behind* is called with each stream for which bytes begin to wait."""
        self._on_fell_behind = on_fell_behind
        self._direct: dict[Send, Stream] = {}
        #: The streams for which bytes wait, and those of HTTP/1.0, which take no chunks.
        self._others: dict[Stream, None] = {}

    def __iter__(self) -> Iterator[Stream]:
        yield from self._direct.values()
        yield from self._others

    def __len__(self) -> int:
        return len(self._direct) + len(self._others)

    def add(self, stream: Stream) -> None:
        """Send *stream* from now on what the group is sent."""
        stream.group = self
        self._others[stream] = None
        self.caught_up(stream)
        if stream.blocked_since:
            self._on_fell_behind(stream)

    def remove(self, stream: Stream) -> None:
        """Send *stream* nothing any more."""
        stream.group = None
        self._direct.pop(stream.send, None)
        self._others.pop(stream, None)

    def fell_behind(self, stream: Stream) -> None:
        """Write to *stream* by itself: bytes wait for its client."""
        if self._direct.pop(stream.send, None) is not None:
            self._others[stream] = None
        self._on_fell_behind(stream)

    def caught_up(self, stream: Stream) -> None:
        """Send to *stream* directly again, if it takes chunks: no bytes wait any more."""
        if stream.can_send_directly:
            self._others.pop(stream, None)
            self._direct[stream.send] = stream

    async def deliver(self, payload: bytes, time_slice: TimeSlice, *, kind: Hashable = None) -> int:
        """Send *payload* to each stream without holding the loop. Return how many there were. None may join meanwhile.

        *kind*: a slow reader gets only the newest payload of each kind.
        """
        frame = sse.encode_chunk(payload)
        size = len(frame)
        sends, others = list(self._direct), list(self._others)
        for start in range(0, len(sends), _SLICE):
            for send in sends[start : start + _SLICE]:
                try:
                    taken = send(frame)
                except BlockingIOError:
                    taken = 0
                except OSError:
                    taken = -1
                if taken != size and (stream := self._direct.get(send)) is not None:
                    stream.on_partial_send(frame, taken)
            if time_slice.is_used_up():
                await time_slice.yield_loop()
        for number, stream in enumerate(others, 1):
            own = frame if stream.is_chunked else payload
            if kind is None:
                stream.write(own)
            else:
                stream.write_latest(kind, own)
            if not number % _SLICE and time_slice.is_used_up():
                await time_slice.yield_loop()
        return len(sends) + len(others)

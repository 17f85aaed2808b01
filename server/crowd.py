"""The streams of one filter, and the loop that every delivery runs through.

A delivery is a `send`, and after it the next stream's memory is cold: the kernel has just gone through another
connection's. So the loop touches of a stream that keeps up its `send` and nothing else, neither an attribute nor a
counter (docs/decisions/0001-detached-streams.md).
"""

from collections.abc import Callable, Hashable, Iterator

from server import sse
from server.connection import Send, Stream
from server.pace import Pace

#: Sends between two looks at the clock.
_SLICE = 64


class Crowd:
    """Streams that want the same. They are told the same bytes, in one send each."""

    __slots__ = ("_bytes", "_fell_behind", "_others", "_prompt")

    def __init__(self, fell_behind: Callable[[Stream], None] = lambda stream: None) -> None:
        """*fell_behind* is told of each stream for which something begins to wait."""
        self._fell_behind = fell_behind
        self._prompt: dict[Send, Stream] = {}
        #: Those for whom something waits, and those that take no chunks.
        self._others: dict[Stream, None] = {}
        #: What each prompt stream has been sent; `Stream.sent` is made up for it when one leaves them. A frame that is
        #: going out just when one leaves or comes may count twice or not at all.
        self._bytes = 0

    def __iter__(self) -> Iterator[Stream]:
        yield from self._prompt.values()
        yield from self._others

    def __len__(self) -> int:
        return len(self._prompt) + len(self._others)

    def add(self, stream: Stream) -> None:
        """From now on *stream* is told what the crowd is told."""
        stream.crowd = self
        self._others[stream] = None
        self.caught_up(stream)
        if stream.since:
            self._fell_behind(stream)

    def remove(self, stream: Stream) -> None:
        """It is told no more."""
        stream.crowd = None
        if not self._leave_prompt(stream):
            self._others.pop(stream, None)

    def fell_behind(self, stream: Stream) -> None:
        """Something waits for it."""
        if self._leave_prompt(stream):
            self._others[stream] = None
        self._fell_behind(stream)

    def caught_up(self, stream: Stream) -> None:
        """Nothing waits for it any more; one that takes no chunks is written to by itself all the same."""
        if stream.is_prompt:
            self._others.pop(stream, None)
            self._prompt[stream.send] = stream
            stream.sent -= self._bytes

    def _leave_prompt(self, stream: Stream) -> bool:
        if self._prompt.pop(stream.send, None) is None:
            return False
        stream.sent += self._bytes
        return True

    async def tell(self, payload: bytes, pace: Pace, *, kind: Hashable = None) -> int:
        """Send *payload* to each without holding the loop; how many they were. None may join meanwhile.

        *kind*: of those that a slow reader has not got yet, the newest of each counts.
        """
        frame = sse.chunk(payload)
        size = len(frame)
        sends, others = list(self._prompt), list(self._others)
        for start in range(0, len(sends), _SLICE):
            for send in sends[start : start + _SLICE]:
                try:
                    taken = send(frame)
                except BlockingIOError:
                    taken = 0
                except OSError:
                    taken = -1
                if taken != size and (stream := self._prompt.get(send)) is not None:
                    stream.fell_short(frame, taken)
            if pace.due():
                await pace.rest()
        self._bytes += size
        for number, stream in enumerate(others, 1):
            own = frame if stream.chunked else payload
            if kind is None:
                stream.write(own)
            else:
                stream.tell(kind, own)
            if not number % _SLICE and pace.due():
                await pace.rest()
        return len(sends) + len(others)

"""What the wheel does for a stream when its time has come: beats, rotation, the end, and the stall of a slow reader."""

from collections.abc import MutableSet
from typing import TYPE_CHECKING

from server.connection import Stream

if TYPE_CHECKING:
    from server.hub import Hub


class Life:
    """A joined stream's beats, its rotation, and the end after it."""

    __slots__ = ("_hub", "_stream")

    def __init__(self, hub: "Hub", stream: Stream) -> None:
        self._hub = hub
        self._stream: Stream | None = stream

    def leave(self) -> None:
        """The wheel keeps this until its time has come; the stream, which ends before, is not to stay so long."""
        self._stream = None

    def act(self, now: float) -> float | None:
        """As `wheel.Due`."""
        stream, hub = self._stream, self._hub
        if stream is None:
            return None
        if stream.rotating and now >= stream.end_at:
            stream.finish("drain" if hub.draining else "rotate")
        if stream.closed:
            return None
        if now >= stream.rotate_at and not stream.rotating:
            hub.rotate(stream)
        if now >= stream.beat_at:
            stream.write(hub.heartbeat(now, chunked=stream.chunked))
            stream.beat_at = now + hub.next_beat()
        return min(stream.beat_at, stream.end_at if stream.rotating else stream.rotate_at)


class Stall:
    """A stream for which something waits is closed when no byte has left for *most* seconds."""

    __slots__ = ("_most", "_stream", "_watched")

    def __init__(self, stream: Stream, most: float, watched: MutableSet[Stream]) -> None:
        """It stands in *watched* for as long as it is looked at."""
        self._stream = stream
        self._most = most
        self._watched = watched

    def act(self, now: float) -> float | None:
        """As `wheel.Due`."""
        since = self._stream.since
        if since and now - since >= self._most:
            self._stream.abort("slow")
        elif since:
            return since + self._most
        self._watched.discard(self._stream)
        return None

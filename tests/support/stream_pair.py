"""Makes streams without a request: each writes to one end of a socket pair, and the test reads the other end."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.stream.connection import Stream
from server.stream.connection_limits import Slot, StreamLimits
from server.stream.hub import Hub
from tests.support.waiting import PATIENCE
from workitems.settings import StreamSettings

#: Makes a stream, the socket of its reader, and a list for the reason of its end. With a *hub*, it may `join`.
Open = Callable[..., tuple[Stream, socket.socket, list[str]]]


@contextmanager
def stream_pairs() -> Iterator[Open]:
    """Return a function that opens streams. They are closed at the end of the block."""
    readers: list[tuple[Stream, socket.socket]] = []

    def make(
        *, chunked: bool = True, buffer: int = 1 << 20, hub: Hub | None = None
    ) -> tuple[Stream, socket.socket, list[str]]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        slot, reasons = StreamLimits(StreamSettings()).acquire("ann", "127.0.0.1"), list[str]()
        assert isinstance(slot, Slot)

        def ended(stream: Stream, reason: str) -> None:
            reasons.append(reason)
            if hub is not None:
                hub.on_stream_end(stream, reason)

        stream = Stream(ours, id="a", is_chunked=chunked, max_queued_bytes=buffer, slot=slot, on_end=ended)
        if hub is not None:
            hub.register(stream)
        readers.append((stream, theirs))
        return stream, theirs, reasons

    try:
        yield make
    finally:
        for stream, reader in readers:
            stream.abort("test")
            reader.close()


async def everything(reader: socket.socket) -> bytes:
    """Read all bytes up to the end."""
    loop, got = asyncio.get_running_loop(), bytearray()
    async with asyncio.timeout(PATIENCE):
        while data := await loop.sock_recv(reader, 1 << 16):
            got += data
    return bytes(got)

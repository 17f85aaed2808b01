"""Streams without a request: each writes to one end of a socket pair whose other end is the reader's."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.connection import Stream
from server.hub import Hub
from server.limits import Limits, Slot
from workitems.settings import StreamSettings

#: Makes a stream, the socket of its reader, and the list of the reasons for which it ended; in a *hub* it may `join`.
Open = Callable[..., tuple[Stream, socket.socket, list[str]]]


@contextmanager
def stream_pairs() -> Iterator[Open]:
    """What it opens is closed in the end."""
    readers: list[tuple[Stream, socket.socket]] = []

    def make(
        *, chunked: bool = True, buffer: int = 1 << 20, hub: Hub | None = None
    ) -> tuple[Stream, socket.socket, list[str]]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        slot, reasons = Limits(StreamSettings()).take("ann", "127.0.0.1"), list[str]()
        assert isinstance(slot, Slot)

        def ended(stream: Stream, reason: str) -> None:
            reasons.append(reason)
            if hub is not None:
                hub.ended(stream, reason)

        stream = Stream(ours, id="a", chunked=chunked, buffer=buffer, slot=slot, ended=ended)
        if hub is not None:
            hub.start(stream)
        readers.append((stream, theirs))
        return stream, theirs, reasons

    try:
        yield make
    finally:
        for stream, reader in readers:
            stream.abort("test")
            reader.close()


async def everything(reader: socket.socket) -> bytes:
    """All bytes up to the end."""
    loop, got = asyncio.get_running_loop(), bytearray()
    async with asyncio.timeout(10):
        while data := await loop.sock_recv(reader, 1 << 16):
            got += data
    return bytes(got)

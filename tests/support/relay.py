"""A proxy that forwards streams and cuts them, as platforms and bad networks do. It runs in the test's event loop."""

import asyncio
from typing import cast


class Relay:
    """Forwards to *target*, a port of loopback. *age*: seconds after which each connection is cut; None = never."""

    def __init__(self, target: int, *, age: float | None = None) -> None:
        self.target = target
        self.age = age
        self.port = 0
        #: The number of connections that were cut.
        self.cuts = 0
        self._open: set[_Side] = set()
        self._reaching: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Relay":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Side(self), "127.0.0.1", 0, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut_all()
        for task in self._reaching:
            task.cancel()
        await asyncio.gather(*self._reaching, return_exceptions=True)
        await self._server.wait_closed()

    def cut_all(self) -> None:
        """Cut every connection now."""
        for side in list(self._open):
            self.cut(side)

    def cut(self, side: "_Side") -> None:
        if side in self._open:
            self.cuts += 1
            side.end()

    def reach(self, side: "_Side") -> None:
        """Open the other half of an incoming connection."""
        self._open.add(side)
        task = asyncio.get_running_loop().create_task(self._reach(side))
        self._reaching.add(task)
        task.add_done_callback(self._reaching.discard)
        if self.age is not None:
            asyncio.get_running_loop().call_later(self.age, self.cut, side)

    async def _reach(self, side: "_Side") -> None:
        other = _Side(None)
        other.other = side
        try:
            async with asyncio.timeout(10):
                await asyncio.get_running_loop().create_connection(lambda: other, "127.0.0.1", self.target)
        except OSError:
            side.end()
            return
        side.joined(other)

    def left(self, side: "_Side") -> None:
        self._open.discard(side)


class _Side(asyncio.Protocol):
    """One half of a connection; data goes to the other half."""

    def __init__(self, relay: Relay | None) -> None:
        self.other: _Side | None = None
        self._relay = relay
        self._transport: asyncio.Transport | None = None
        self._early = b""
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._relay is not None:
            self._relay.reach(self)

    def joined(self, other: "_Side") -> None:
        self.other = other
        other.write(self._early)
        if self._ended:
            other.end()

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early += data
        else:
            self.other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(gently=True)

    def end(self, *, gently: bool = False) -> None:
        """End both halves. *gently*: data already written to the other half is still sent."""
        if self._ended:
            return
        self._ended = True
        if self._relay is not None:
            self._relay.left(self)
        if self._transport is not None:
            if gently:
                self._transport.close()
            else:
                self._transport.abort()
        if self.other is not None:
            self.other.end(gently=gently)

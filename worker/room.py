"""Room in memory for so many bytes of mail at once; who asks first is served first."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """A mail larger than the whole room gets it when nobody else is in it."""

    def __init__(self, most: int) -> None:
        """*most*: bytes."""
        self._most = most
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Wait for room for *size* bytes and keep it within the block."""
        size = min(size, self._most)
        if self._waiting or self._taken + size > self._most:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # its turn had come
                    self._leave(size)
                raise
        else:
            self._taken += size
        try:
            yield
        finally:
            self._leave(size)

    def _leave(self, size: int) -> None:
        self._taken -= size
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done() and self._taken + size > self._most:
                return
            self._waiting.popleft()
            if not turn.done():
                self._taken += size
                turn.set_result(None)

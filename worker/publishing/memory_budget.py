"""Limits the bytes of mail that are in memory at once. Requests are served in their order."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MemoryBudget:
    """The budget. A mail larger than the whole budget waits until no other mail uses a part of it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """Wait until *size* bytes are free; reserve them until the block ends."""
        size = min(size, self._max_bytes)
        if self._waiting or self._used + size > self._max_bytes:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # its bytes were reserved
                    self._release(size)
                raise
        else:
            self._used += size
        try:
            yield
        finally:
            self._release(size)

    def _release(self, size: int) -> None:
        self._used -= size
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done() and self._used + size > self._max_bytes:
                return
            self._waiting.popleft()
            if not turn.done():
                self._used += size
                turn.set_result(None)

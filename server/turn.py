"""Whose turn it is to tell many streams something, and who only has to fall in between."""

import asyncio


class Turn(asyncio.Lock):
    """Held while something goes out to many. What takes no time waits for `free` instead of taking it.

    A lock lets one in each turn of the event loop. Of a crowd that opens streams more than one comes in each, so that,
    once an event had gone out, all would wait with their whole requests until the last of them has come.
    """

    def __init__(self) -> None:
        super().__init__()
        self._freed = asyncio.Event()

    async def free(self) -> None:
        """Wait until nobody has it; so it stays up to the caller's next await."""
        while self.locked():
            await self._freed.wait()

    def release(self) -> None:
        self._freed.set()  # those who wait for `free` go on before the next one who takes it
        self._freed.clear()
        super().release()

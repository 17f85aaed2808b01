"""Who may read now: `size` mails at once, and beside them a few that turned out to be slow.

A mail that takes longer than *patience* gives its place to the next and goes on in the slow lane, so that a handful of
spinning mails does not make ordinary ones wait for their time limit. While the slow lane is full it keeps its place.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Place:
    """One mail's right to read; `begin` when the reading starts."""

    def __init__(self, lanes: "Lanes") -> None:
        self._lanes = lanes
        self._slow = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start to count the patience."""
        self._timer = asyncio.get_running_loop().call_later(self._lanes.patience, self._step_aside)

    def leave(self) -> None:
        """Give the place back, in whichever lane it is by now."""
        if self._timer:
            self._timer.cancel()
        self._lanes.give_back(slow=self._slow)

    def _step_aside(self) -> None:
        self._slow = self._lanes.step_aside()
        if not self._slow:
            self.begin()


class Lanes:
    """`busy_slow` is how many are in the slow lane; *changed* is called when that rises."""

    def __init__(self, size: int, slow: int, patience: float, changed: Callable[[], None]) -> None:
        self.patience = patience
        self.busy_slow = 0
        self._slow = slow
        self._places = asyncio.Semaphore(size)
        self._changed = changed

    @asynccontextmanager
    async def place(self, wait: float) -> AsyncIterator[Place]:
        """A place for one mail, first come first served; TimeoutError after *wait* seconds."""
        if self._places.locked():
            async with asyncio.timeout(wait):
                await self._places.acquire()
        else:
            await self._places.acquire()  # at once
        place = Place(self)
        try:
            yield place
        finally:
            place.leave()

    def step_aside(self) -> bool:
        """Move one mail to the slow lane; False when that is full."""
        if self.busy_slow >= self._slow:
            return False
        self.busy_slow += 1
        self._places.release()
        self._changed()
        return True

    def give_back(self, *, slow: bool) -> None:
        """One mail is done."""
        if slow:
            self.busy_slow -= 1
        else:
            self._places.release()

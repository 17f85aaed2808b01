"""How long a fan-out may hold the event loop, and who waits for its end."""

import asyncio
from collections.abc import Callable

#: Seconds for which work may hold the event loop.
_MAX_HOLD_SECONDS = 0.004


class FanOutLock(asyncio.Lock):
    """Held while something is sent to many streams. A step without an await uses `wait_unlocked` and does not take it.

    A lock admits one waiter in each turn of the event loop. When thousands of clients come back, more than one stream
    opens in each turn: after an event, all of them would wait, with their whole requests in memory, for the last.
    """

    def __init__(self) -> None:
        super().__init__()
        self._freed = asyncio.Event()

    async def wait_unlocked(self) -> None:
        """Wait until the lock is free. This stays true up to the next await of the caller."""
        while self.locked():
            await self._freed.wait()

    def release(self) -> None:
        self._freed.set()  # all in `wait_unlocked` continue before the next task that takes the lock
        self._freed.clear()
        super().release()


class TimeSlice:
    """The time of one piece of work, which asks `is_used_up` now and then, and calls `yield_loop` if so."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        #: The longest time in seconds for which the work held the loop; complete after `stop`.
        self.longest_hold = 0.0

    def is_used_up(self) -> bool:
        """Whether other tasks should run now."""
        return self._clock() - self._since > _MAX_HOLD_SECONDS

    async def yield_loop(self) -> None:
        """Let other tasks run for one turn."""
        self.stop()
        await asyncio.sleep(0)
        self._since = self._clock()

    def stop(self) -> float:
        """Note that the work is done, or pauses. Return `longest_hold`."""
        self.longest_hold = max(self.longest_hold, self._clock() - self._since)
        return self.longest_hold

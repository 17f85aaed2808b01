"""How long work on many streams may hold the event loop, and how long it did."""

import asyncio
from collections.abc import Callable

#: Seconds that one piece of work may hold the event loop.
_HOLD = 0.004


class Pace:
    """One piece of work. It asks `due` now and then, and rests when it is."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        #: Seconds for which it held the loop, at the longest; whole after `end`.
        self.longest = 0.0

    def due(self) -> bool:
        """Whether others should have the loop now."""
        return self._clock() - self._since > _HOLD

    async def rest(self) -> None:
        """Let others have it."""
        self.end()
        await asyncio.sleep(0)
        self._since = self._clock()

    def end(self) -> float:
        """The work is done, or rests; answers `longest`."""
        self.longest = max(self.longest, self._clock() - self._since)
        return self.longest

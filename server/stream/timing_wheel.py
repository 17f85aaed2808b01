"""One timing wheel for every deadline of every stream, instead of a timer or a task for each connection.

After G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", 1987, with a dictionary for the slots.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something with deadlines."""

    def fire(self, now: float) -> float | None:
        """Do what is due at *now*, in seconds of the clock. Return when to be called next; None = never."""


class TimingWheel:
    """Calls `fire` of each timer at its time, or up to a tick later."""

    def __init__(self, tick: float, *, clock: Callable[[], float]) -> None:
        self._tick = tick
        self._clock = clock
        self._slots: defaultdict[int, list[Timer]] = defaultdict(list)
        self._done = int(clock() / tick)
        #: The longest delay in seconds of a tick, because the event loop was busy; the reader sets it to 0.
        self.max_lateness = 0.0

    def add(self, timer: Timer, when: float) -> None:
        """Call *timer* at *when*, in seconds of the clock."""
        self._slots[max(int(when / self._tick), self._done + 1)].append(timer)

    def advance(self) -> None:
        """Call every timer whose time has come."""
        now = self._clock()
        last = int(now / self._tick)
        for slot in sorted(slot for slot in self._slots if slot <= last):
            for timer in self._slots.pop(slot):
                again = timer.fire(now)
                if again is not None:
                    self._slots[max(int(again / self._tick), last + 1)].append(timer)
        self._done = last

    async def run(self, *, lock: asyncio.Lock) -> None:
        """Advance at each tick. Never returns. Waits for *lock*, so that nothing is sent in the middle of a fan-out."""
        while True:
            due = self._clock() + self._tick
            await asyncio.sleep(self._tick)
            self.max_lateness = max(self.max_lateness, self._clock() - due)
            async with lock:
                self.advance()

"""One timing wheel for every deadline of every stream: no timer and no task a connection.

After G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", 1987, with a dictionary for the slots.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol


class Due(Protocol):
    """Something with deadlines."""

    def act(self, now: float) -> float | None:
        """Do what is due at *now* (seconds of the loop's clock); answers when to be called next, None = never."""


class Wheel:
    """Calls `act` of what was added, at its time or up to a tick later."""

    def __init__(self, tick: float, *, clock: Callable[[], float]) -> None:
        self._tick = tick
        self._clock = clock
        self._slots: defaultdict[int, list[Due]] = defaultdict(list)
        self._done = int(clock() / tick)
        #: Seconds by which the event loop was late for a turn, at the worst; whoever reads it sets it to 0.
        self.late = 0.0

    def add(self, due: Due, when: float) -> None:
        """Have *due* called at *when*."""
        self._slots[max(int(when / self._tick), self._done + 1)].append(due)

    def turn(self) -> None:
        """Call everything whose time has come."""
        now = self._clock()
        last = int(now / self._tick)
        for slot in sorted(slot for slot in self._slots if slot <= last):
            for due in self._slots.pop(slot):
                again = due.act(now)
                if again is not None:
                    self._slots[max(int(again / self._tick), last + 1)].append(due)
        self._done = last

    async def run(self, *, free: asyncio.Lock) -> None:
        """Turn for ever; never while *free* is held, so that a turn never falls into the middle of a fan-out."""
        while True:
            due = self._clock() + self._tick
            await asyncio.sleep(self._tick)
            self.late = max(self.late, self._clock() - due)
            async with free:
                self.turn()

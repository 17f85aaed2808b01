"""A queue in which each sender gets its turn, so that one with much mail delays only itself.

Start-time fair queueing (Goyal, Vin, Cheng, 1996): an entry starts where the last one of its sender ends, and never
before the entry that was taken last. The entry with the lowest start is taken next. Each entry that is taken moves
later starts a little, so that a second mail is not passed by first mails of others for ever.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")

#: Keys of a sender, its address first, then its domain; empty when it is unknown.
Sender = tuple[str, ...]

#: When an entry is taken: its start and its delay, its number; and its start alone.
Turn = tuple[float, int, float]

#: How far an entry moves the next start of its address, and of its domain: eight addresses share a turn.
_LENGTHS = (1.0, 0.125)
#: How far each entry that is taken moves the start of those that come later: 64 may pass the second of a sender.
_STEP = 1 / 64


class FairQueue(Generic[T]):
    """Entries of one sender, and of unknown ones, stay in their order."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, float, T]] = []
        self._numbers = count(1)
        self._now = 0.0
        self._ends: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[T]:
        """Iterate in no useful order."""
        return (item for *_, item in self._heap)

    def append(self, item: T, sender: Sender, delay: float = 0.0) -> Turn:
        """Add an entry of *sender*; with a *delay* it is taken so much later. Return its turn, for `restore`.

        A delay counts from the start of the entry, so entries that come while only delayed ones wait still pass these.
        """
        start = max([self._now, *(self._ends.get(key, 0.0) for key in sender)])
        for key, length in zip(sender, _LENGTHS, strict=False):
            self._ends[key] = max(start, self._ends.get(key, 0.0)) + length
        turn = (start + delay, next(self._numbers), start)
        heappush(self._heap, (*turn, item))
        return turn

    def restore(self, item: T, turn: Turn = (-1.0, 0, 0.0)) -> None:
        """Put back an entry that was taken: to its *turn*, or before all others; one at a time has no turn."""
        heappush(self._heap, (*turn, item))
        self._now = max(0.0, self._now - _STEP)

    def peek(self) -> T:
        """Return the next entry. There must be one."""
        return self._heap[0][-1]

    def pop(self) -> T:
        """Remove and return the next entry. There must be one."""
        _, _, start, item = heappop(self._heap)
        self._now = max(self._now + _STEP, start)
        if not self._heap:  # nobody waits, so nobody is ahead
            self._now = 0.0
            self._ends.clear()
        return item

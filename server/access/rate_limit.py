"""Limit attempts: a leaky bucket for each name, in bounded memory (GCRA: one number a name)."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

#: Names that are remembered at most; the least recently used one is forgotten first.
MAX_NAMES = 10_000


class TooManyTriesError(Exception):
    """The next try is accepted after `wait` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"too many tries; the next is accepted in {wait:.0f} s")
        self.wait = wait


@dataclass(slots=True)
class Attempt:
    """One try to prove who one is. `is_right` stays None if that could not be decided, and then it does not count."""

    is_right: bool | None = None


class RecentSet:
    """The MAX_NAMES names that were added or found last."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        if name not in self._names:
            return False
        self._names.move_to_end(name)
        return True

    def add(self, name: str) -> None:
        """Add *name*, and forget the name that was not used for the longest time if there are too many."""
        self._names[name] = None
        self._names.move_to_end(name)
        if len(self._names) > MAX_NAMES:
            self._names.popitem(last=False)

    def discard(self, name: str) -> None:
        """Remove *name* if it is there."""
        self._names.pop(name, None)


class RateLimiter:
    """Allows each name *burst* attempts at once, and one more every *seconds*."""

    def __init__(self, *, burst: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._spare = (burst - 1) * seconds
        self._seconds = seconds
        self._clock = clock
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, name: str) -> float:
        """Return the seconds until the next attempt is allowed, and remember nothing."""
        return max(0.0, self._free_at.get(name, float("-inf")) - self._clock() - self._spare)

    def count(self, name: str) -> None:
        """Count one attempt. If there are too many names, the least recently used one is forgotten."""
        now = self._clock()
        self._free_at[name] = max(self._free_at.get(name, now), now) + self._seconds
        self._free_at.move_to_end(name)
        if len(self._free_at) > MAX_NAMES:
            self._free_at.popitem(last=False)

    def acquire(self, name: str) -> float:
        """Count one attempt and return 0; or count none and return the seconds until the next is allowed."""
        return acquire_all((self, name))

    def refund(self, name: str) -> None:
        """Take back one attempt that should not count. A name without attempts takes up no room."""
        if name not in self._free_at:
            return
        self._free_at[name] -= self._seconds
        if self._free_at[name] <= self._clock():
            del self._free_at[name]


def acquire_all(*buckets: tuple[RateLimiter, str]) -> float:
    """Count one attempt in each of *buckets* and return 0; or count it in none and return the seconds to wait.

    All are asked before the first one counts: who must wait has no name remembered, and so none of others forgotten.
    """
    wait = max(limiter.wait(name) for limiter, name in buckets)
    if not wait:
        for limiter, name in buckets:
            limiter.count(name)
    return wait

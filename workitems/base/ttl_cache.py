"""Keep answers of Redis for some seconds, and for longer while Redis is unavailable."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from workitems.base.errors import StoreUnavailableError

#: Seconds that an answer is used without asking Redis again.
FRESH_SECONDS = 15.0

#: Seconds that an answer is used while Redis is unavailable.
MAX_STALE_SECONDS = 3600.0

#: Seconds to wait for Redis while there is an older answer, and until the next try after a wait that gave none.
PATIENCE_SECONDS, RETRY_SECONDS = 0.4, 5.0

#: Answers that a process keeps, and how many more that there is nothing of a name.
MAX_ENTRIES, MAX_UNKNOWN = 10_000, 1_000

T = TypeVar("T")


class TtlCache(Generic[T]):
    """Answers of Redis by name, each with its time; the oldest answer is dropped first.

    Names that Redis does not know are kept apart, so that a stranger who makes up names drops no other answer.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        #: Name → when the answer was asked for, the answer, and until when Redis is not asked again.
        self._known: OrderedDict[str, tuple[float, T | None, float]] = OrderedDict()
        self._unknown: OrderedDict[str, tuple[float, T | None, float]] = OrderedDict()

    def invalidate(self, name: str) -> None:
        """Drop the answer: the next `get` loads it."""
        self._known.pop(name, None)
        self._unknown.pop(name, None)

    async def get(self, name: str, load: Callable[[], Awaitable[T | None]]) -> T | None:
        """Return what *load* returned at most FRESH_SECONDS ago, or returns now. Raises StoreUnavailableError."""
        now = self._clock()
        asked, answer, not_before = self._known.get(name) or self._unknown.get(name) or (-MAX_STALE_SECONDS, None, now)
        if now - asked < FRESH_SECONDS or now < not_before:
            return answer
        is_usable = now - asked < MAX_STALE_SECONDS
        try:
            async with asyncio.timeout(PATIENCE_SECONDS if is_usable else None):
                found: T | None = await load()
        except StoreUnavailableError:
            if is_usable:
                return answer
            raise
        except TimeoutError:
            for kept in (self._known, self._unknown):
                if name in kept:  # else it was invalidated meanwhile
                    kept[name] = (asked, answer, self._clock() + RETRY_SECONDS)
            return answer
        self.invalidate(name)
        kept, most = (self._unknown, MAX_UNKNOWN) if found is None else (self._known, MAX_ENTRIES)
        kept[name] = (now, found, now)
        if len(kept) > most:
            kept.popitem(last=False)
        return found

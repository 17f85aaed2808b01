"""Answers of Redis that are used for a while without asking again, and for longer while it is away."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from workitems.errors import StoreUnavailableError

#: Seconds that an answer is used without asking Redis again.
FRESH = 15.0

#: Seconds that an answer may stand while Redis is away.
STALE = 3600.0

#: Answers that a process remembers, those about unknown names among them.
REMEMBERED = 10_000

T = TypeVar("T")


class Remembered(Generic[T]):
    """Answers of Redis by name, each with the time at which it was given; the least used ones go first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, T | None]] = OrderedDict()

    def forget(self, name: str) -> None:
        """The next `get` asks."""
        self._known.pop(name, None)

    async def get(self, name: str, ask: Callable[[], Awaitable[T | None]]) -> T | None:
        """What *ask* answered at most FRESH seconds ago, or answers now. Raises StoreUnavailableError."""
        now = self._clock()
        asked, known = self._known.get(name, (-STALE, None))
        if now - asked < FRESH:
            return known
        try:
            found: T | None = await ask()
        except StoreUnavailableError:
            if now - asked < STALE:
                return known
            raise
        self._known[name] = (now, found)
        self._known.move_to_end(name)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

"""How many streams may be open: in the process, of a user, from an address, and how many open a second."""

from collections import Counter
from collections.abc import Callable
from time import monotonic

from workitems.settings import StreamSettings


class Slot:
    """One stream's place; giving it back twice does no harm."""

    __slots__ = ("_limits", "address", "name")

    def __init__(self, limits: "Limits", name: str, address: str) -> None:
        self._limits: Limits | None = limits
        self.name = name
        self.address = address

    def release(self) -> None:
        if self._limits is not None:
            self._limits.give_back(self)
            self._limits = None


class Limits:
    """Counts places. The opens are a token bucket that holds two seconds' worth."""

    def __init__(self, settings: StreamSettings, *, clock: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens = settings.opens * 2
        self._filled = clock()
        self.open = 0
        self._names: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()

    def take(self, name: str, address: str) -> Slot | str:
        """A place, or why there is none: `process`, `user`, `address` or `opens`."""
        if self.open >= self._settings.most:
            return "process"
        if self._names[name] >= self._settings.most_user:
            return "user"
        if self._addresses[address] >= self._settings.most_address:
            return "address"
        if not self._draw():
            return "opens"
        self.open += 1
        self._names[name] += 1
        self._addresses[address] += 1
        return Slot(self, name, address)

    def give_back(self, slot: Slot) -> None:
        """Called by the slot itself."""
        self.open -= 1
        for counter, key in ((self._names, slot.name), (self._addresses, slot.address)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]

    def _draw(self) -> bool:
        now = self._clock()
        self._tokens = min(self._settings.opens * 2, self._tokens + (now - self._filled) * self._settings.opens)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

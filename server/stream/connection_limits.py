"""Limits of streams: in the process, of a user, from a network, of descriptors, and how many may open each second."""

import math
from collections import Counter
from collections.abc import Callable
from time import monotonic

from server.access.client_address import network_of
from workitems.settings import StreamSettings


class Slot:
    """The right to have one stream open. Releasing it twice does no harm."""

    __slots__ = ("_limits", "network", "user")

    def __init__(self, limits: "StreamLimits", name: str, network: str) -> None:
        self._limits: StreamLimits | None = limits
        self.user = name
        self.network = network

    def release(self) -> None:
        if self._limits is not None:
            self._limits.release(self)
            self._limits = None


class StreamLimits:
    """Counts open streams. The limit of opens is a token bucket that holds the tokens of two seconds."""

    def __init__(
        self, settings: StreamSettings, *, max_descriptor: float = math.inf, clock: Callable[[], float] = monotonic
    ) -> None:
        """*max_descriptor*: a connection with a descriptor from this one on gets no stream."""
        self._settings = settings
        self._max_descriptor = max_descriptor
        self._clock = clock
        self._tokens = settings.opens_per_second * 2
        self._filled = clock()
        self.open_count = 0
        self._names: Counter[str] = Counter()
        self._networks: Counter[str] = Counter()

    def acquire(self, name: str, address: str, descriptor: int = 0) -> Slot | str:
        """Return a slot, or the limit that refuses it: `descriptors`, `process`, `user`, `address` or `opens`."""
        if descriptor >= self._max_descriptor:
            return "descriptors"
        if self.open_count >= self._settings.max_streams:
            return "process"
        if self._names[name] >= self._settings.max_streams_per_user:
            return "user"
        network = network_of(address)
        if self._networks[network] >= self._settings.max_streams_per_address:
            return "address"
        if not self._draw():
            return "opens"
        self.open_count += 1
        self._names[name] += 1
        self._networks[network] += 1
        return Slot(self, name, network)

    def release(self, slot: Slot) -> None:
        """Take a slot back. Only the slot itself calls this."""
        self.open_count -= 1
        for counter, key in ((self._names, slot.user), (self._networks, slot.network)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]

    def _draw(self) -> bool:
        now = self._clock()
        self._tokens = min(
            self._settings.opens_per_second * 2, self._tokens + (now - self._filled) * self._settings.opens_per_second
        )
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

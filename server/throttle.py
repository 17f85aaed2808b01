"""How often somebody may try: a leaky bucket for each name, in bounded memory (the GCRA form: one number a name)."""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address

#: Names that are remembered; the one that has not tried for longest is forgotten first.
REMEMBERED = 10_000


class Throttle:
    """Lets a name try *burst* times at once and once more every *seconds*."""

    def __init__(self, *, burst: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._spare = (burst - 1) * seconds
        self._seconds = seconds
        self._clock = clock
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str) -> float:
        """Use one try; 0, or the seconds to wait for the next, which then was not used."""
        now = self._clock()
        free_at = max(self._free_at.get(name, now), now)
        if free_at - now > self._spare:
            return free_at - now - self._spare
        self._free_at[name] = free_at + self._seconds
        self._free_at.move_to_end(name)
        if len(self._free_at) > REMEMBERED:
            self._free_at.popitem(last=False)
        return 0.0

    def give_back(self, name: str) -> None:
        """The try was a good one and shall not count."""
        if name in self._free_at:
            self._free_at[name] -= self._seconds


class SignInThrottle:
    """Tries to sign in, by the caller's address and by the name that is tried. Tries count before they are made."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._addresses = Throttle(burst=10, seconds=10.0, clock=clock)
        self._names = Throttle(burst=20, seconds=10.0, clock=clock)

    def take(self, address: str, name: str) -> float:
        """0, or the seconds to wait."""
        wait = self._addresses.take(_network(address))
        if wait or not name:
            return wait
        return self._names.take(name[:64])

    def give_back(self, address: str, name: str) -> None:
        """It was the right password."""
        self._addresses.give_back(_network(address))
        self._names.give_back(name[:64])


def _network(address: str) -> str:
    """A caller with IPv6 has 2^64 addresses of one network."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(int(found) >> 64)

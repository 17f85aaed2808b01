"""Counts the CPU seconds that the mail of each sender takes, so that one with costly mail delays only itself.

A sender that used up its seconds of the hour has its mail read in the careful lane, one at a time. The names are those
of the From header, which anybody can forge: this protects other mail, it judges nobody.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable

from worker.sandbox.fair_queue import Sender
from workitems.intake import identity

#: Seconds of a mail for which nobody is charged: almost all mail takes less.
FREE_SECONDS = 0.2
#: CPU seconds an hour of one address, and of all addresses of a domain.
ADDRESS_SECONDS, DOMAIN_SECONDS = 20.0, 100.0
HOUR = 3600.0
#: Senders that are remembered; the one that was charged longest ago is forgotten first.
MAX_SENDERS = 10_000

_ADDRESS = re.compile(rb"([^\s<>()\[\]\"',;:@]{1,64})@([a-z0-9.-]{1,253})", re.IGNORECASE)
#: Bytes of the header that are searched.
_MAX_FROM = 1_000


def sender_of(raw: bytes) -> Sender:
    """Return the address in the From header of a raw mail, and its domain; nothing when there is none."""
    found = _ADDRESS.findall(identity.scan_headers(raw).get(b"from", b"")[-_MAX_FROM:].lower())
    if not found:
        return ()
    name, domain = (part.decode("utf-8", "replace") for part in found[-1])
    return f"{name}@{domain}", domain


class SenderBudgets:
    """The seconds that each sender has used. They come back evenly, all of them within an hour."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: Key of a sender → (seconds used, when that was so), the one that was charged last at the end.
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def charge(self, sender: Sender, seconds: float) -> bool:
        """Count what one mail took. Return whether it was more than is free."""
        if seconds <= FREE_SECONDS:
            return False
        now = self._clock()
        for key, limit in zip(sender, (ADDRESS_SECONDS, DOMAIN_SECONDS), strict=False):
            self._used[key] = self._left_over(key, limit, now) + seconds, now
            self._used.move_to_end(key)
        while len(self._used) > MAX_SENDERS:
            self._used.popitem(last=False)
        return True

    def is_over(self, sender: Sender) -> bool:
        """Return whether the address or the domain has no seconds left."""
        now = self._clock()
        limits = zip(sender, (ADDRESS_SECONDS, DOMAIN_SECONDS), strict=False)
        return any(self._left_over(key, limit, now) >= limit for key, limit in limits)

    def _left_over(self, key: str, limit: float, now: float) -> float:
        used, at = self._used.get(key, (0.0, now))
        return max(0.0, used - (now - at) * limit / HOUR)

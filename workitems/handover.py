"""Mail on its way from the put to the reading, in one process: most is read a moment after it was stored.

What is handed over need not be read from the disk again, which a lone mail would wait for.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from workitems.sidecar import Stored

#: Seconds after which mail is no longer waited for here: another worker may have taken it to read.
SECONDS = 10.0


class Handover:
    """At most *room* bytes of mail, each for SECONDS and for one who takes it. *clock* in seconds."""

    def __init__(self, room: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._room = room
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Stored]] = OrderedDict()

    def keep(self, stored: Stored) -> None:
        """Hand over a mail that has one version, where there is room: what came first is read first, so it stays."""
        now = self._clock()
        while self._kept and next(iter(self._kept.values()))[0] < now - SECONDS:
            self.take(next(iter(self._kept)))
        if self.take(stored.sidecar.id) is None and len(stored.raw) <= self._room:
            self._room -= len(stored.raw)
            self._kept[stored.sidecar.id] = (now, stored)

    def take(self, item_id: str) -> Stored | None:
        """The mail, which is nobody else's then."""
        _, stored = self._kept.pop(item_id, (0.0, None))
        if stored:
            self._room += len(stored.raw)
        return stored

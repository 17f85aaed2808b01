"""Counts tries to prove who one is that were refused, and logs them without a flood."""

import time
from collections import Counter
from collections.abc import Callable

from workitems.base.log import LineLimit, get_logger

log = get_logger("server")


class RefusedTries:
    """Counts by kind (`bearer`, `basic`, `password`, `token`) and reason (`wrong`, `throttled`, `missing`)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._line_limit = LineLimit(clock)

    def count(self, kind: str, reason: str, address: str) -> None:
        """Count one refused try. Log it if a line is due, with the number of tries since the last line."""
        self.counts[kind, reason] += 1
        if tries := self._line_limit.count():
            log.info("sign-in refused", kind=kind, reason=reason, address=address, tries=tries)

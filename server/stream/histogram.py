"""A histogram of durations with cumulative counts by upper bound, as in Prometheus. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

#: Upper bounds in seconds, from the time on an idle machine to one that no client should have to wait.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Histogram:
    """Counts durations in seconds. A duration over the last bound counts for `+Inf`."""

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def to_json(self) -> dict[str, Any]:
        """Return `buckets` (upper bound → how many took no longer; `+Inf`: all) and `sum` in seconds."""
        names, total, buckets = [*map(str, self._bounds), "+Inf"], 0, {}
        for name, count in zip(names, self._counts, strict=True):
            total += count
            buckets[name] = total
        return {"buckets": buckets, "sum": round(self._sum, 6)}

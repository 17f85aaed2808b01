"""What this process counts, and what all living processes count together."""

import asyncio
import json
import resource
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import time
from typing import Any

from server.hub import Hub
from server.limits import Limits
from server.subscriber import Subscriber
from workitems import keys
from workitems.errors import StoreUnavailableError
from workitems.redis import Client, available
from workitems.tasks import not_cancelled

#: Seconds between two reports to Redis; a process that did not report for three of them is taken for dead.
REPORT = 5.0

#: What processes count together, and what the worst of them tells.
_SUMMED = ("open", "opened", "closed", "refused", "resumed", "replayed", "reset", "events", "deliveries",
           "delivery_lag", "queued", "reader_restarts", "memory", "places")  # fmt: skip
_WORST = ("lag", "loop_lag", "fan_out_hold")

#: Seconds after which the last report of a process that was killed is taken away.
FORGET = 3600.0


class Stats:
    """Counters of one server process."""

    def __init__(self, process: str, redis: Client, hub: Hub, limits: Limits, subscriber: Subscriber) -> None:
        self._process = process
        self._redis = redis
        self._hub = hub
        self._limits = limits
        self._subscriber = subscriber
        self._started = time()
        #: The worst between the last two reports.
        self._loop_lag = self._hold = 0.0

    def own(self) -> dict[str, Any]:
        """This process now."""
        counts, streams = self._hub.counts, self._hub.open
        return {
            "process": self._process,
            "at": round(time(), 3),
            "uptime": round(time() - self._started, 1),
            "open": len(streams),
            "opened": counts["opened"],
            "closed": _with_prefix(counts, "closed_"),
            "refused": _with_prefix(counts, "refused_"),
            "resumed": counts["resumed"],
            "replayed": counts["replayed"],
            "reset": _with_prefix(counts, "reset_"),
            "events": counts["events"],
            "deliveries": counts["deliveries"],
            "head": str(self._hub.ring.head),
            "delivery_lag": self._hub.lag.told(),
            "queued": sum(stream.queued for stream in streams),
            "lag": round(self._subscriber.lag, 4),
            "reader_restarts": self._subscriber.restarts,
            "store_available": self._subscriber.available,
            "loop_lag": round(max(self._loop_lag, self._hub.wheel.late), 4),
            "fan_out_hold": round(max(self._hold, self._hub.held), 4),
            "memory": _memory(),
            "places": self._limits.open,
        }

    async def together(self) -> dict[str, Any]:
        """Every process that reported lately, and their open streams added up; alone when Redis is away."""
        now, mine = time(), self.own()
        try:
            with available():
                reports = [json.loads(report) for report in await self._redis.hvals(keys.SERVERS)]
                dead = [report["process"] for report in reports if now - report["at"] > FORGET]
                if dead:
                    await self._redis.hdel(keys.SERVERS, *dead)
        except StoreUnavailableError:
            reports = []
        others = [r for r in reports if r["process"] != self._process and now - r["at"] < 3 * REPORT]
        living = sorted([mine, *others], key=lambda report: str(report["process"]))
        return {**mine, "all": {"processes": living, **added_up(living)}}

    async def run(self) -> None:
        """Report for ever; a Redis that is away is tried again with the next report."""
        while not_cancelled():
            await asyncio.sleep(REPORT)
            self._loop_lag, self._hub.wheel.late = self._hub.wheel.late, 0.0
            self._hold, self._hub.held = self._hub.held, 0.0
            try:
                with available():
                    await self._redis.hset(keys.SERVERS, self._process, json.dumps(self.own()))
            except StoreUnavailableError:
                continue

    async def leave(self) -> None:
        """This process ends: it is no longer one of the living."""
        try:
            with available():
                await self._redis.hdel(keys.SERVERS, self._process)
        except StoreUnavailableError:
            return


def added_up(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What several processes count, together: sums, and of lags the worst. One of another version may lack some."""
    worst = {name: max((report.get(name, 0.0) for report in reports), default=0.0) for name in _WORST}
    return {name: _sum([report[name] for report in reports if name in report]) for name in _SUMMED} | worst


def _sum(values: Sequence[Any]) -> Any:
    """Of numbers, or of dictionaries of such, name by name."""
    if not any(isinstance(value, dict) for value in values):
        return round(sum(values), 6)
    tables = [value for value in values if isinstance(value, dict)]
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: _sum([table[name] for table in tables if name in table]) for name in names}


def _with_prefix(counts: Counter[str], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): count for name, count in sorted(counts.items()) if name.startswith(prefix)}


def _memory() -> int:
    """Bytes of resident memory; where the system does not say, the peak."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

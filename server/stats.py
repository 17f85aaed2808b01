"""What this process counts, and what all living processes count together."""

import asyncio
import json
import resource
import sys
from collections import Counter
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
        #: Seconds that the event loop was late, at the worst since the last report.
        self.loop_lag = 0.0

    def own(self) -> dict[str, Any]:
        """This process now."""
        counts = self._hub.counts
        return {
            "process": self._process,
            "at": round(time(), 3),
            "uptime": round(time() - self._started, 1),
            "open": len(self._hub.streams),
            "opened": counts["opened"],
            "closed": _with_prefix(counts, "closed_"),
            "refused": _with_prefix(counts, "refused_"),
            "resumed": counts["resumed"],
            "replayed": counts["replayed"],
            "reset": _with_prefix(counts, "reset_"),
            "events": counts["events"],
            "deliveries": counts["deliveries"],
            "head": str(self._hub.ring.head),
            "lag": round(self._subscriber.lag, 4),
            "reader_restarts": self._subscriber.restarts,
            "store_available": self._subscriber.available,
            "loop_lag": round(self.loop_lag, 4),
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
        total = {name: sum(report[name] for report in living) for name in ("open", "opened", "deliveries", "memory")}
        return {**mine, "all": {"processes": living, **total}}

    async def run(self) -> None:
        """Report for ever; a Redis that is away is tried again with the next report."""
        loop = asyncio.get_running_loop()
        while not_cancelled():
            before = loop.time()
            await asyncio.sleep(REPORT)
            self.loop_lag = max(0.0, loop.time() - before - REPORT)
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


def _with_prefix(counts: Counter[str], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): count for name, count in sorted(counts.items()) if name.startswith(prefix)}


def _memory() -> int:
    """Bytes of resident memory; where the system does not say, the peak."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

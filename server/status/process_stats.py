"""Statistics of this server process, and of all live server processes together."""

import asyncio
import os
import resource
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import time
from typing import Any

from server.http.policy_reports import PolicyReports
from server.stream.connection_limits import StreamLimits
from server.stream.feed_reader import FeedReader
from server.stream.hub import Hub
from workitems.base.errors import StoreError
from workitems.base.redis import RedisClient
from workitems.base.tasks import not_cancelled
from workitems.feed.undecodable import undecodable
from workitems.status.server_reports import REPORT_SECONDS, read_reports, remove_report, write_report

#: The figures that are added up over all processes, and those of which the worst counts.
_SUMMED = ("open", "opened", "closed", "refused", "resumed", "replayed", "reset", "events", "deliveries",
           "delivery_lag", "queued", "reader_restarts", "undecodable", "memory", "counted",
           "connections", "policy_reports")  # fmt: skip
_WORST = ("lag", "loop_lag", "fan_out_hold")


class ProcessStats:
    """The statistics of one server process."""

    def __init__(
        self, process: str, host: str, redis: RedisClient, hub: Hub, limits: StreamLimits, feed_reader: FeedReader
    ) -> None:
        self._process = process
        self._host = host
        self._redis = redis
        self._hub = hub
        self._limits = limits
        self._feed_reader = feed_reader
        self._started = time()
        #: Connections of clients that were refused or closed, by reason (server/connections/http_server.py).
        self.connections: Counter[str] = Counter()
        self.policy_reports = PolicyReports()
        #: Set once the process accepts clients.
        self.is_accepting = False
        #: The worst values between the last two reports.
        self._loop_lag = self._hold = 0.0

    @property
    def is_store_available(self) -> bool:
        """Return whether Redis served this process last."""
        return self._feed_reader.is_available

    def process_report(self) -> dict[str, Any]:
        """Return the statistics of this process now."""
        counts, streams = self._hub.counts, self._hub.open_streams
        return {
            "process": self._process,
            "host": self._host,
            "pid": os.getpid(),
            "ready": self.is_accepting and self._hub.ready.is_set() and not self._hub.is_draining,
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
            "head": str(self._hub.replay_buffer.head),
            "delivery_lag": self._hub.delivery_lag.to_json(),
            "queued": sum(stream.queued_bytes for stream in streams),
            "lag": round(self._feed_reader.feed_lag, 4),
            "reader_restarts": self._feed_reader.restarts,
            "undecodable": undecodable.count,
            "store_available": self.is_store_available,
            "store_reason": self._feed_reader.reason,
            "loop_lag": round(max(self._loop_lag, self._hub.deadlines.wheel.max_lateness), 4),
            "fan_out_hold": round(max(self._hold, self._hub.longest_hold), 4),
            "memory": _memory(),
            "counted": self._limits.open_count,
            "connections": dict(self.connections),
            "policy_reports": dict(self.policy_reports.counts),
        }

    async def combined_report(self) -> dict[str, Any]:
        """Return the reports of all live processes of all hosts, and their sums.

        While Redis is unavailable, only this process is known.
        """
        try:
            reports = await read_reports(self._redis)
        except StoreError:
            reports = []
        mine = self.process_report()
        others = [each for each in reports if (each["host"], each["process"]) != (self._host, self._process)]
        living = sorted([mine, *others], key=lambda report: (report["host"], report["process"]))
        hosts = sorted({report["host"] for report in living})
        return {**mine, "all": {"hosts": hosts, "processes": living, **combine_reports(living)}}

    async def run(self) -> None:
        """Report again and again. When Redis is unavailable, the next report is tried as usual."""
        while not_cancelled():
            await asyncio.sleep(REPORT_SECONDS)
            self._loop_lag, self._hub.deadlines.wheel.max_lateness = self._hub.deadlines.wheel.max_lateness, 0.0
            self._hold, self._hub.longest_hold = self._hub.longest_hold, 0.0
            await self.report()

    async def report(self) -> None:
        """Write the report of this process. When Redis is unavailable, the next report says it."""
        try:
            await write_report(self._redis, self.process_report())
        except StoreError:
            return

    async def withdraw_report(self) -> None:
        """Remove the report of this process, which stops."""
        try:
            await remove_report(self._redis, self._host, self._process)
        except StoreError:
            return


def combine_reports(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums of several reports, and the worst of their lags. A report of another version may lack some."""
    worst = {name: max((report.get(name, 0.0) for report in reports), default=0.0) for name in _WORST}
    return {name: _sum([report[name] for report in reports if name in report]) for name in _SUMMED} | worst


def _sum(values: Sequence[Any]) -> Any:
    """Add numbers, or dictionaries of numbers key by key."""
    if not any(isinstance(value, dict) for value in values):
        return round(sum(values), 6)
    tables = [value for value in values if isinstance(value, dict)]
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: _sum([table[name] for table in tables if name in table]) for name in names}


def _with_prefix(counts: Counter[str], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): count for name, count in sorted(counts.items()) if name.startswith(prefix)}


def _memory() -> int:
    """Return the bytes of resident memory; the peak, where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

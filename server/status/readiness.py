"""Whether this process can do its work: Redis, the mail store and a worker, each with a reason.

Only a process that starts or drains answers 503 at `/readyz`. When a part fails later, all processes have the same
trouble, and the open streams still work: a load balancer that took the processes away would end them. So the answer is
200 and `degraded`; a monitor reads the parts, or the metrics.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from server.status.health import IntakeHealth
from server.status.mail_store_check import MailStoreCheck, PartHealth
from server.status.monitor import Monitor
from server.status.process_stats import ProcessStats
from server.stream.hub import Hub

#: Seconds for which a result answers strangers, who may ask thousands of times a second.
MAX_AGE_SECONDS = 1.0

#: Seconds that Redis may take to say which workers are alive.
TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """The state of this process and of each part that it needs."""

    parts: Mapping[str, PartHealth]
    #: What the workers report; None when Redis could not say it.
    intake: IntakeHealth | None
    is_starting: bool = False
    is_draining: bool = False

    @property
    def status(self) -> str:
        """Return `draining`, `starting`, `degraded` or `ready`."""
        if self.is_draining:
            return "draining"
        if self.is_starting:
            return "starting"
        return "ready" if all(part.is_up for part in self.parts.values()) else "degraded"

    @property
    def http_status(self) -> int:
        """Return 503 when a load balancer must send new clients to another process, else 200."""
        return 503 if self.is_draining or self.is_starting else 200

    def to_json(self) -> dict[str, Any]:
        message = {"message": "waiting for Redis"} if self.status == "starting" else {}
        return {"status": self.status, **message, "parts": {name: part.to_json() for name, part in self.parts.items()}}


class ReadinessCheck:
    """Asks the parts of this process. It takes about a second at most, whatever hangs."""

    def __init__(self, hub: Hub, stats: ProcessStats, monitor: Monitor, mail_store: MailStoreCheck) -> None:
        self._hub = hub
        self._stats = stats
        self._monitor = monitor
        self._mail_store = mail_store
        #: What the last check found; None before the first.
        self.last: Readiness | None = None
        self._begun = float("-inf")
        self._checking = asyncio.Lock()

    async def check(self, *, max_age: float = 0.0) -> Readiness:
        """Return the readiness: of a check that began at most *max_age* seconds ago, or begins now."""
        asked = monotonic()
        async with self._checking:  # callers that wait for one check share its result
            if self.last is None or self._begun < asked - max_age:
                self._begun = monotonic()
                self.last = await self._check()
        return replace(self.last, is_starting=not self._hub.ready.is_set(), is_draining=self._hub.is_draining)

    async def _check(self) -> Readiness:
        mail_store, intake = await asyncio.gather(
            self._mail_store.check(), self._monitor.try_read_health(TIMEOUT_SECONDS)
        )
        parts = {
            "redis": judge_redis(is_available=self._stats.is_store_available),
            "mail_store": mail_store,
            "worker": judge_worker(intake),
        }
        return Readiness(parts, intake)


def judge_redis(*, is_available: bool) -> PartHealth:
    """Return the health of Redis, as the feed reader saw it last."""
    return PartHealth(is_available, "" if is_available else "Redis does not answer")


def judge_worker(intake: IntakeHealth | None) -> PartHealth:
    """Return whether any worker is alive."""
    if intake is None:
        return PartHealth(False, "unknown while Redis does not answer")
    return PartHealth(True) if intake.workers else PartHealth(False, "no worker is running")

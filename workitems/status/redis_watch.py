"""Watches what Redis says of itself, and refuses new mail while Redis would lose it."""

import asyncio
import time
from collections.abc import Callable

from redis import exceptions

from workitems.base.errors import StoreUnavailableError, StoreUnsafeError
from workitems.base.log import get_logger
from workitems.base.redis import RedisClient, translating_errors
from workitems.status.finding import Finding
from workitems.status.redis_facts import RedisFacts, judge_redis

log = get_logger("redis")

#: Seconds for which an answer of Redis is used: so long it takes at most until a change of its settings is noticed.
FRESH_SECONDS = 3.0


class RedisWatch:
    """The findings about one Redis. Those that begin and end are logged, once in each process."""

    def __init__(self, redis: RedisClient, clock: Callable[[], float] = time.monotonic) -> None:
        #: What Redis said last; None before the first answer, while Redis is away, and when it forbids INFO.
        self.facts: RedisFacts | None = None
        self.findings: tuple[Finding, ...] = ()
        self._redis = redis
        self._clock = clock
        self._asked = float("-inf")
        #: How often Redis did not answer, and why it did not the last time.
        self._failures = 0
        self._reason = ""
        self._asking = asyncio.Lock()

    async def refresh(self) -> None:
        """Ask Redis, unless it answered within FRESH_SECONDS. Raises StoreUnavailableError."""
        failures = self._failures
        async with self._asking:
            if self._failures > failures:  # while we waited; each caller's own time-out would follow the other's
                raise StoreUnavailableError(self._reason)
            if self._clock() - self._asked < FRESH_SECONDS:
                return
            try:
                facts = await read_facts(self._redis)
            except StoreUnavailableError as error:
                self._failures, self._reason = self._failures + 1, str(error)
                self.facts = None
                raise
            self.facts = facts if facts.info is not None else None
            self._update(judge_redis(facts))
            self._asked = self._clock()
            if any(finding.kind == "replica" for finding in self.findings):
                # Behind one address another server may be the primary now, but open connections stay with this one.
                await self._redis.connection_pool.disconnect(inuse_connections=False)

    async def require_safe(self) -> None:
        """Raise StoreUnsafeError while Redis would lose what it is given, StoreUnavailableError while it is away."""
        await self.refresh()
        for finding in self.findings:
            if finding.loses_data:
                reason = f"Redis would lose mail: {finding.message}"
                raise StoreUnsafeError(f"{reason}. {finding.advice}", reason)

    async def count_repairable_evictions(self) -> int:
        """Return how many keys Redis deleted to free memory, 0 while it still may. Raises StoreUnavailableError."""
        await self.refresh()
        return self.facts.repairable_evictions if self.facts else 0

    def _update(self, findings: tuple[Finding, ...]) -> None:
        known, found = ({(each.kind, each.message) for each in some} for some in (self.findings, findings))
        for each in findings:
            if (each.kind, each.message) not in known:
                write = log.error if each.is_error else log.warning
                write("Redis needs attention", kind=each.kind, reason=each.message, advice=each.advice)
        for each in self.findings:
            if (each.kind, each.message) not in found:
                log.info("Redis has been corrected", kind=each.kind, was=each.message)
        self.findings = findings


async def read_facts(redis: RedisClient) -> RedisFacts:
    """Ask Redis about itself. What it forbids is unknown, and no failure. Raises StoreUnavailableError."""
    with translating_errors():
        try:
            info = await redis.info()
        except exceptions.ResponseError as error:
            if _is_forbidden(error):
                return RedisFacts(None)
            raise
        try:
            found = await redis.config_get("appendfsync")
        except exceptions.ResponseError:
            found = {}
    return RedisFacts(info, found.get("appendfsync"))


def _is_forbidden(error: exceptions.ResponseError) -> bool:
    """Return whether the command is not permitted or renamed; every other error passes."""
    return isinstance(error, exceptions.NoPermissionError) or "unknown command" in str(error).lower()

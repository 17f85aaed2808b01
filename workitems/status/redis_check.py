"""Tries a Redis for `run.py check`: whether it answers, what it says of itself, its clock, and a write."""

import time
from collections.abc import Callable

from redis import exceptions

from workitems.base import keys
from workitems.base.errors import TubepostError
from workitems.base.redis import RedisClient
from workitems.status.finding import Finding
from workitems.status.probe import probe
from workitems.status.redis_facts import RedisFacts, judge_redis
from workitems.status.redis_refusals import explain_refusal
from workitems.status.redis_watch import read_facts

#: Seconds by which the clocks of Redis and of this machine may differ.
MAX_CLOCK_SECONDS = 5.0

#: Everything that a command may raise. The last ones: another service answers in Redis's protocol, but not as Redis.
_ERRORS = (exceptions.RedisError, TubepostError, OSError, AttributeError, TypeError, ValueError, LookupError)


async def check_redis(
    redis: RedisClient, advice: str, *, clock: Callable[[], float] = time.time
) -> tuple[str, list[Finding]]:
    """Return what was reached, '' if nothing was, and what is wrong. *advice*: for a Redis that does not answer."""
    try:
        if not await redis.ping():
            return "", [explain_refusal(exceptions.InvalidResponse(), advice)]
    except exceptions.NoPermissionError:
        pass  # the write shows more
    except _ERRORS as error:
        return "", [explain_refusal(error, advice)]
    try:
        facts = await read_facts(redis)
        found = [*judge_redis(facts), *_unknown(facts)]
        if facts.is_sentinel:
            return "", found
        found += await _compare_clocks(redis, clock)
    except _ERRORS as error:
        return "", [explain_refusal(error, advice)]
    refused = await _try_write(redis, advice)
    if refused:  # it explains a finding of the same kind, or is explained by it
        known = [each for each in found if each.kind == refused.kind and each.is_error]
        found = [each for each in found if each.kind != refused.kind or each.is_error] + ([] if known else [refused])
    name = facts.name if facts.info else "its version is unknown"
    return f"reached, {name}" + ("" if refused else "; a write was tried"), found


def _unknown(facts: RedisFacts) -> list[Finding]:
    if facts.info is None:
        message = "it does not permit INFO, so it is unknown whether it keeps what it gets"
        return [Finding("unknown", message, "Give its user +info, or check yourself: maxmemory-policy noeviction.")]
    if facts.appendfsync is None and facts.text("aof_enabled") == "1":
        message = "it does not permit CONFIG GET, so it is unknown whether it waits for the disk"
        return [Finding("unknown", message, "Give its user +config|get, or check yourself: appendfsync always.")]
    return []


async def _compare_clocks(redis: RedisClient, clock: Callable[[], float]) -> list[Finding]:
    before = clock()
    try:
        seconds, micro = await redis.time()
    except exceptions.ResponseError:  # the write shows more
        return []
    after = clock()
    ahead = seconds + micro / 1e6 - (before + after) / 2
    if abs(ahead) <= MAX_CLOCK_SECONDS + (after - before) / 2:
        return []
    message = f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the clock of this machine"
    return [Finding("clock", message, "Set the clocks of both machines by NTP.")]


async def _try_write(redis: RedisClient, advice: str) -> Finding | None:
    """Write a key, and check the right to every command. Return why that does not work."""
    try:
        await probe(redis)
        await redis.delete(keys.PROBE)
    except _ERRORS as error:
        return explain_refusal(error, advice)
    return None

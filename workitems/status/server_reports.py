"""Reports of server processes: each one writes its statistics to Redis every few seconds, for all hosts to read.

The times are of Redis's clock, in seconds, since the clocks of several hosts differ. A process of a former version
wrote its report under its name alone and by the clock of its host; such reports are read too.
"""

import json
from collections.abc import Iterable, Iterator
from time import time
from typing import Any, TypeAlias

from workitems.base import keys
from workitems.base.redis import RedisClient, translating_errors
from workitems.status.heartbeats import redis_time

#: Has `host`, `process`, `pid`, `ready`, `at` (when it was written) and the counters of the process.
Report: TypeAlias = dict[str, Any]

#: Seconds between two reports of a process.
REPORT_SECONDS = 5.0

#: Seconds after its last report at which a process counts as dead: two reports may be late.
DEAD_AFTER_SECONDS = 3 * REPORT_SECONDS

#: Seconds after which the last report of a dead process is removed.
FORGET_AFTER_SECONDS = 3600.0

#: Stands between host and process in the name of a report. Neither name has it.
_SEPARATOR = "/"


async def write_report(redis: RedisClient, report: Report) -> None:
    """Write the report of a process in the place of its last one. Raises StoreUnavailableError."""
    now = await redis_time(redis)
    field = _field(report["host"], report["process"])
    with translating_errors():
        await redis.hset(keys.SERVERS, field, json.dumps(report | {"at": round(now, 3)}))


async def remove_report(redis: RedisClient, host: str, process: str) -> None:
    """Remove the report of a process that stops. Raises StoreUnavailableError."""
    with translating_errors():
        await redis.hdel(keys.SERVERS, _field(host, process))


async def read_reports(redis: RedisClient) -> list[Report]:
    """Return the last report of each live process, by host and process; remove those of processes that died long ago.

    Raises StoreUnavailableError.
    """
    now = await redis_time(redis)
    with translating_errors():
        found = {field: _decode(raw) for field, raw in (await redis.hgetall(keys.SERVERS)).items()}
        ages = {field: _clock(field, now) - report["at"] for field, report in found.items() if report}
        if dead := [field for field in found if ages.get(field, FORGET_AFTER_SECONDS) >= FORGET_AFTER_SECONDS]:
            await redis.hdel(keys.SERVERS, *dead)
    fresh = [report for field, report in found.items() if report and ages[field] < DEAD_AFTER_SECONDS]
    return list(_newest(fresh))


async def ready_servers(redis: RedisClient, host: str) -> set[int]:
    """Return the ids of the processes on *host* that accept clients and have the feed. Raises StoreUnavailableError."""
    return {int(each["pid"]) for each in await read_reports(redis) if each.get("ready") and each["host"] == host}


def _newest(reports: Iterable[Report]) -> Iterator[Report]:
    """Give one report of each process: one that was killed and updated has left that of its former version."""
    by_name = {(each["host"], each["process"]): each for each in sorted(reports, key=lambda each: float(each["at"]))}
    return (by_name[name] for name in sorted(by_name))


def _decode(raw: bytes) -> Report | None:
    """Decode a report; None when *raw* is none. What else is in it may differ between versions."""
    try:
        report: Report = json.loads(raw)
        return report | {
            "host": str(report.get("host", "")),
            "process": str(report["process"]),
            "at": float(report["at"]),
        }
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def _clock(field: bytes, redis_now: float) -> float:
    """Return the present time by the clock of the report *field*."""
    return redis_now if _SEPARATOR.encode() in field else time()


def _field(host: str, process: str) -> str:
    return f"{host}{_SEPARATOR}{process}"

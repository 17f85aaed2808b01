"""Server processes of all hosts report to one Redis; a dead one expires, and those of a former version are read too."""

import json
from time import time
from typing import Any

from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.status.heartbeats import redis_time
from workitems.status.server_reports import (
    DEAD_AFTER_SECONDS,
    FORGET_AFTER_SECONDS,
    read_reports,
    ready_servers,
    remove_report,
    write_report,
)


def report(host: str, process: str = "server_00", pid: int = 1, **more: Any) -> dict[str, Any]:
    return {"host": host, "process": process, "pid": pid, "ready": True, **more}


async def names(redis: RedisClient) -> list[tuple[str, str, int]]:
    return [(each["host"], each["process"], each["pid"]) for each in await read_reports(redis)]


async def _aged(redis: RedisClient, field: str, seconds: float) -> None:
    """Make the report *field* look *seconds* old."""
    found = json.loads(await redis.hget(keys.SERVERS, field))
    await redis.hset(keys.SERVERS, field, json.dumps(found | {"at": found["at"] - seconds}))


async def test_processes_of_one_name_on_two_hosts_have_a_report_each(redis: RedisClient) -> None:
    for host, pid in (("beta", 2), ("alpha", 1), ("alpha", 3)):
        await write_report(redis, report(host, pid=pid))
    assert await names(redis) == [("alpha", "server_00", 3), ("beta", "server_00", 2)]
    await remove_report(redis, "alpha", "server_00")
    assert await names(redis) == [("beta", "server_00", 2)]


async def test_only_the_ready_processes_of_a_host_are_its_ready_servers(redis: RedisClient) -> None:
    await write_report(redis, report("alpha", "server_00", 1))
    await write_report(redis, report("alpha", "server_01", 2, ready=False))
    await write_report(redis, report("beta", "server_00", 3))
    assert await ready_servers(redis, "alpha") == {1}
    assert await ready_servers(redis, "beta") == {3}
    assert await ready_servers(redis, "gamma") == set()


async def test_the_processes_of_a_host_that_is_gone_expire_and_are_removed_later(redis: RedisClient) -> None:
    for host in ("alpha", "beta"):
        await write_report(redis, report(host))
    await _aged(redis, "alpha/server_00", DEAD_AFTER_SECONDS + 1)
    assert await names(redis) == [("beta", "server_00", 1)]
    assert await ready_servers(redis, "alpha") == set()
    assert await redis.hlen(keys.SERVERS) == 2, "it may come back"
    await _aged(redis, "alpha/server_00", FORGET_AFTER_SECONDS)
    assert await names(redis) == [("beta", "server_00", 1)]
    assert await redis.hkeys(keys.SERVERS) == [b"beta/server_00"]


async def test_a_report_has_the_time_of_redis_whatever_the_clock_of_its_host_says(redis: RedisClient) -> None:
    before = await redis_time(redis)
    await write_report(redis, report("alpha", at=before - 1_000_000))
    (found,) = await read_reports(redis)
    assert before - 0.001 <= found["at"] <= await redis_time(redis) + 0.001


async def test_a_process_of_a_former_version_counts_beside_new_ones(redis: RedisClient) -> None:
    """It wrote its report under its name alone, by the clock of its host, and the oldest wrote no host."""
    await redis.hset(keys.SERVERS, "server_00", json.dumps(report("alpha", "server_00", 1, at=time())))
    await redis.hset(keys.SERVERS, "server_02", json.dumps({"process": "server_02", "pid": 5, "at": time()}))
    await redis.hset(keys.SERVERS, "server_03", json.dumps(report("alpha", "server_03", 6, at=time() - 7_200)))
    await write_report(redis, report("alpha", "server_01", 2))
    assert await names(redis) == [("", "server_02", 5), ("alpha", "server_00", 1), ("alpha", "server_01", 2)]
    assert await ready_servers(redis, "alpha") == {1, 2}
    assert not await redis.hexists(keys.SERVERS, "server_03")
    await write_report(redis, report("alpha", "server_00", 7))
    assert ("alpha", "server_00", 7) in await names(redis), "the successor replaces one that was killed"
    assert len(await names(redis)) == 3


async def test_what_is_no_report_is_removed(redis: RedisClient) -> None:
    await redis.hset(
        keys.SERVERS, mapping={"a": b"\xff[", "b": "[]", "c": "7", "d/e": '{"process": "x", "at": "soon"}'}
    )
    await write_report(redis, report("alpha") | {"mood": "good"})
    assert await names(redis) == [("alpha", "server_00", 1)]
    assert await redis.hkeys(keys.SERVERS) == [b"alpha/server_00"]

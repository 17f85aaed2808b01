"""Workers report that they are alive; a worker without a recent report is dead."""

import json
from dataclasses import asdict, replace

from structlog.testing import capture_logs

from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.status.heartbeats import FORGET_AFTER_SECONDS, HeartbeatWriter, WorkerHeartbeat, live_workers, redis_time


async def _aged(redis: RedisClient, name: str, seconds: float) -> None:
    """Make the report of *name* look *seconds* old."""
    worker = (await live_workers(redis))[name]
    await redis.hset(keys.WORKERS, name, json.dumps(asdict(replace(worker, at=worker.at - seconds))))


async def test_a_worker_that_reports_is_alive_and_its_work_is_shown(redis: RedisClient) -> None:
    assert await live_workers(redis) == {}
    await redis.xgroup_create(keys.INTAKE, keys.READERS_GROUP, id="0", mkstream=True)
    for n in range(3):
        await redis.xadd(keys.INTAKE, {"id": n, "mailbox": "claims", "raw": "x"})
    await redis.xreadgroup(keys.READERS_GROUP, "one", {keys.INTAKE: ">"}, count=2)
    report = HeartbeatWriter(redis, "one", 4711)
    await report.write(("claims",))
    first = (await live_workers(redis))["one"]
    assert (first.pid, first.mailboxes, first.in_hand, first.waiting) == (4711, ("claims",), 2, 3)
    assert first.version
    await report.write(())
    second = (await live_workers(redis))["one"]
    assert second.started == first.started <= first.at <= second.at


async def test_two_live_workers_with_one_name_are_logged_once_and_a_restart_is_not(
    redis: RedisClient,
) -> None:
    with capture_logs() as lines:
        killed, after = HeartbeatWriter(redis, "one", 1), HeartbeatWriter(redis, "one", 2)
        for report in (killed, after, after):
            await report.write(())
        assert lines == []
        for report in (killed, after, killed, after):
            await report.write(())
    assert [(line["log_level"], line["pid"]) for line in lines] == [("warning", 2), ("warning", 1)]


async def test_two_hosts_of_one_name_are_logged_though_their_processes_have_one_id(redis: RedisClient) -> None:
    one, other = HeartbeatWriter(redis, "h-worker_00", 7, "h"), HeartbeatWriter(redis, "h-worker_00", 7, "h")
    with capture_logs() as lines:
        for report in (one, other, one):
            await report.write(())
    assert [(line["log_level"], line["host"], line["pid"]) for line in lines] == [("warning", "h", 7)]


async def test_a_heartbeat_says_on_which_host_the_worker_runs(redis: RedisClient) -> None:
    await HeartbeatWriter(redis, "one", 1, "alpha").write(())
    assert (await live_workers(redis))["one"].host == "alpha"


async def test_a_heartbeat_says_why_changed_rules_are_not_used_until_they_are(redis: RedisClient) -> None:
    report = HeartbeatWriter(redis, "one", 1)
    for error in ("fields.deal: set labels, pattern or both", ""):
        await report.write((), error)
        assert (await live_workers(redis))["one"].rules_error == error


async def test_a_worker_without_recent_heartbeat_is_dead_and_one_that_stopped_is_removed(redis: RedisClient) -> None:
    one, two = HeartbeatWriter(redis, "one", 1), HeartbeatWriter(redis, "two", 2)
    await one.write(())
    await two.write(())
    await _aged(redis, "one", 16.0)
    assert list(await live_workers(redis)) == ["two"]
    assert list(await live_workers(redis, seconds=60)) == ["one", "two"]
    await two.remove()
    assert await live_workers(redis) == {}


async def test_dead_workers_are_removed_later_so_that_the_list_stays_short(redis: RedisClient) -> None:
    await HeartbeatWriter(redis, "old", 1).write(())
    await _aged(redis, "old", FORGET_AFTER_SECONDS + 1)
    await redis.hset(keys.WORKERS, "junk", "no report")
    await HeartbeatWriter(redis, "new", 2).write(())
    assert await redis.hkeys(keys.WORKERS) == [b"new"]


async def test_a_report_of_a_newer_worker_is_read_and_an_invalid_one_is_ignored(redis: RedisClient) -> None:
    now = await redis_time(redis)
    await redis.hset(
        keys.WORKERS,
        mapping={"newer": json.dumps({"at": now, "started": now, "pid": 1, "mood": "good"}), "junk": b"\xff[]"},
    )
    assert await live_workers(redis) == {"newer": WorkerHeartbeat(now, now, 1)}

"""Workers say that they live; who does not say it for a while is dead."""

import json
from dataclasses import asdict, replace

from structlog.testing import capture_logs

from workitems import keys
from workitems.redis import Client
from workitems.workers import FORGET, Report, Worker, alive, clock


async def _aged(redis: Client, name: str, seconds: float) -> None:
    """As if the report of *name* were *seconds* old."""
    worker = (await alive(redis))[name]
    await redis.hset(keys.WORKERS, name, json.dumps(asdict(replace(worker, at=worker.at - seconds))))


async def test_a_worker_that_reports_is_alive_and_says_what_it_does(redis: Client) -> None:
    assert await alive(redis) == {}
    await redis.xgroup_create(keys.INTAKE, keys.READERS, id="0", mkstream=True)
    for n in range(3):
        await redis.xadd(keys.INTAKE, {"id": n, "mailbox": "claims", "raw": "x"})
    await redis.xreadgroup(keys.READERS, "one", {keys.INTAKE: ">"}, count=2)
    report = Report(redis, "one", 4711)
    await report.write(("claims",))
    first = (await alive(redis))["one"]
    assert (first.pid, first.mailboxes, first.in_hand, first.waiting) == (4711, ("claims",), 2, 3)
    assert first.version
    await report.write(())
    second = (await alive(redis))["one"]
    assert second.started == first.started <= first.at <= second.at


async def test_two_live_workers_of_one_name_are_told_of_once_and_the_next_process_of_a_killed_one_is_not(
    redis: Client,
) -> None:
    with capture_logs() as lines:
        killed, after = Report(redis, "one", 1), Report(redis, "one", 2)
        for report in (killed, after, after):
            await report.write(())
        assert lines == []
        for report in (killed, after, killed, after):
            await report.write(())
    assert [(line["log_level"], line["pid"]) for line in lines] == [("warning", 2), ("warning", 1)]


async def test_who_did_not_report_for_a_while_is_dead_and_who_left_is_gone(redis: Client) -> None:
    one, two = Report(redis, "one", 1), Report(redis, "two", 2)
    await one.write(())
    await two.write(())
    await _aged(redis, "one", 16.0)
    assert list(await alive(redis)) == ["two"]
    assert list(await alive(redis, seconds=60)) == ["one", "two"]
    await two.leave()
    assert await alive(redis) == {}


async def test_the_dead_are_forgotten_in_the_end_so_that_the_list_stays_short(redis: Client) -> None:
    await Report(redis, "old", 1).write(())
    await _aged(redis, "old", FORGET + 1)
    await redis.hset(keys.WORKERS, "junk", "no report")
    await Report(redis, "new", 2).write(())
    assert await redis.hkeys(keys.WORKERS) == [b"new"]


async def test_a_report_of_a_newer_worker_is_understood_and_junk_is_nobody(redis: Client) -> None:
    now = await clock(redis)
    await redis.hset(
        keys.WORKERS,
        mapping={"newer": json.dumps({"at": now, "started": now, "pid": 1, "mood": "good"}), "junk": b"\xff[]"},
    )
    assert await alive(redis) == {"newer": Worker(now, now, 1)}

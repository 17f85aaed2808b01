"""One look at how mail comes in, and alarms that are told once."""

import asyncio

from workitems import health, keys
from workitems.lease import Lease
from workitems.mailbox import WATCHING, Mailbox
from workitems.redis import Client
from workitems.workers import Report, clock


async def test_an_empty_redis_has_nothing_to_tell(redis: Client) -> None:
    seen = await health.look(redis, {"claims": ["INBOX"]}, ["alone"])
    assert seen.folders == {("claims", "INBOX"): {}}
    assert (seen.workers, seen.held, seen.waiting, seen.quarantined, seen.alarms) == ({}, {}, 0, 0, frozenset())
    assert seen.waiting_since is None
    assert seen.quarantined_since is None


async def test_all_that_workers_wrote_is_seen_in_one_look(redis: Client) -> None:
    now = await clock(redis)
    await Report(redis, "one", 1).write(("claims",))
    await Lease(redis, "claims", "one", seconds=30).take()
    await Mailbox(redis, "claims", "Entwürfe").tell(WATCHING)
    await redis.xadd(keys.INTAKE, {"id": "wi_x"})
    await redis.zadd(keys.QUARANTINE, {"wi_later": now * 1000 - 1_000, "wi_first": now * 1000 - 60_000})
    await redis.zadd(keys.after("claims"), {"[]": 1})
    seen = await health.look(redis, {"claims": ["INBOX", "Entwürfe"], "orders": ["INBOX"]})
    assert seen.at >= now
    assert seen.folders["claims", "Entwürfe"]["state"] == WATCHING
    assert abs(seen.workers["one"] - seen.at) < 5
    assert abs(seen.held["claims"] - seen.at) < 5
    assert "orders" not in seen.held
    assert seen.after == {"claims": 1, "orders": 0}
    assert (seen.waiting, seen.quarantined) == (1, 2)
    assert seen.waiting_since is not None
    assert abs(seen.waiting_since - seen.at) < 5
    assert seen.quarantined_since is not None
    assert abs(seen.at - seen.quarantined_since - 60) < 5


async def test_records_that_nobody_can_understand_harm_nobody(redis: Client) -> None:
    await redis.hset(keys.WORKERS, mapping={"junk": b"\xff", "list": b"[]", "text": b'{"at": "soon"}'})
    await redis.hset(keys.mailbox("claims"), mapping={"state": b"\xff\xfe"})
    await redis.set(keys.lease("claims"), b"\xff")
    seen = await health.look(redis, {"claims": ["INBOX"]})
    assert seen.workers == {}
    assert seen.held == {"claims": 0.0}
    assert [health.number(text) for text in (None, "", "nan", "inf", "x", "1.5")] == [None] * 5 + [1.5]


async def test_one_of_many_processes_tells_that_an_alarm_begins_and_one_that_it_ends(redis: Client) -> None:
    assert sum(await asyncio.gather(*(health.raise_alarm(redis, "alone") for _ in range(5)))) == 1
    assert (await health.look(redis, {}, ["alone", "mailbox:claims"])).alarms == {"alone"}
    assert sum(await asyncio.gather(*(health.end_alarm(redis, "alone") for _ in range(5)))) == 1
    assert await health.raise_alarm(redis, "alone")

"""One snapshot of how mail comes in, and alarms that are reported once."""

import asyncio

from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.mailboxes.checkpoint import WATCHING, FolderRecord
from workitems.mailboxes.lease import Lease
from workitems.status import snapshot
from workitems.status.heartbeats import HeartbeatWriter, redis_time


async def test_an_empty_redis_gives_an_empty_snapshot(redis: RedisClient) -> None:
    seen = await snapshot.take_snapshot(redis, {"claims": ["INBOX"]}, ["no_worker"])
    assert seen.folders == {("claims", "INBOX"): {}}
    assert (seen.workers, seen.leased_since, seen.waiting_mails, seen.quarantined, seen.alarms) == (
        {},
        {},
        0,
        0,
        frozenset(),
    )
    assert seen.waiting_since is None
    assert seen.quarantined_since is None


async def test_one_snapshot_has_all_that_workers_wrote(redis: RedisClient) -> None:
    now = await redis_time(redis)
    await HeartbeatWriter(redis, "one", 1).write(("claims",))
    await HeartbeatWriter(redis, "two", 2).write((), "fields.deal: wrong")
    await Lease(redis, "claims", "one", ttl_seconds=30).acquire()
    await FolderRecord(redis, "claims", "Entwürfe").set_state(WATCHING)
    await redis.xadd(keys.INTAKE, {"id": "wi_x"})
    await redis.zadd(keys.QUARANTINE, {"wi_later": now * 1000 - 1_000, "wi_first": now * 1000 - 60_000})
    await redis.zadd(keys.after("claims"), {"[]": 1})
    seen = await snapshot.take_snapshot(redis, {"claims": ["INBOX", "Entwürfe"], "orders": ["INBOX"]})
    assert seen.taken_at >= now
    assert seen.folders["claims", "Entwürfe"]["state"] == WATCHING
    assert abs(seen.workers["one"] - seen.taken_at) < 5
    assert seen.rules_errors == {"two": "fields.deal: wrong"}
    assert abs(seen.leased_since["claims"] - seen.taken_at) < 5
    assert "orders" not in seen.leased_since
    assert seen.pending_actions == {"claims": 1, "orders": 0}
    assert (seen.waiting_mails, seen.quarantined) == (1, 2)
    assert seen.waiting_since is not None
    assert abs(seen.waiting_since - seen.taken_at) < 5
    assert seen.quarantined_since is not None
    assert abs(seen.taken_at - seen.quarantined_since - 60) < 5


async def test_invalid_records_do_no_harm(redis: RedisClient) -> None:
    await redis.hset(keys.WORKERS, mapping={"junk": b"\xff", "list": b"[]", "text": b'{"at": "soon"}'})
    await redis.hset(keys.mailbox("claims"), mapping={"state": b"\xff\xfe"})
    await redis.set(keys.lease("claims"), b"\xff")
    seen = await snapshot.take_snapshot(redis, {"claims": ["INBOX"]})
    assert seen.workers == {}
    assert seen.leased_since == {"claims": 0.0}
    assert [snapshot.parse_number(text) for text in (None, "", "nan", "inf", "x", "1.5")] == [None] * 5 + [1.5]


async def test_one_of_many_processes_reports_that_an_alarm_begins_and_one_that_it_ends(redis: RedisClient) -> None:
    assert sum(await asyncio.gather(*(snapshot.raise_alarm(redis, "no_worker") for _ in range(5)))) == 1
    assert (await snapshot.take_snapshot(redis, {}, ["no_worker", "mailbox:claims"])).alarms == {"no_worker"}
    assert sum(await asyncio.gather(*(snapshot.clear_alarm(redis, "no_worker") for _ in range(5)))) == 1
    assert await snapshot.raise_alarm(redis, "no_worker")

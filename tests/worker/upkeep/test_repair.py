"""Stored mail that Redis does not know is put again: at the start, and after each restart of Redis."""

from datetime import UTC, datetime

import pytest

from tests.worker.polled_mailbox import make_mail
from worker.upkeep.repair import EVICTION_PAUSE_SECONDS, Repairer
from workitems.base import keys
from workitems.base.errors import IntakeFullError
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.intake.identity import fingerprint, item_id
from workitems.intake.origin import MailOrigin
from workitems.intake.put import Intake
from workitems.mailstore.sidecar import Sidecar
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore
from workitems.recovery.durable_state import DurableState


async def _store_only(mailstore: MailStore, raw: bytes) -> str:
    """Store a mail and do not put it, as a worker that was killed in between."""
    item = item_id("desk", raw)
    await mailstore.store(Sidecar(item, "desk", fingerprint(raw), "2026-03-02T10:00:00Z", "imap", len(raw)), raw)
    return item


async def test_mail_that_was_stored_but_not_put_is_put_once(
    redis: RedisClient, intake: Intake, mailstore: MailStore
) -> None:
    item = await _store_only(mailstore, make_mail(1))
    known = await intake.put(make_mail(2), MailOrigin("desk", datetime.now(UTC), "test", 10))
    repair = Repairer(redis, intake)
    assert await repair.repair_once()
    assert not await repair.repair_once(), "a second repair is not necessary"
    found = [fields[b"id"].decode() for _, fields in await redis.xrange(keys.INTAKE)]
    assert found == [known.id, item]


async def test_mail_whose_put_may_not_be_finished_is_not_put(
    redis: RedisClient, intake: Intake, mailstore: MailStore
) -> None:
    await Repairer(redis, intake).repair_once()
    await _store_only(mailstore, make_mail(1))
    await Repairer(redis, intake).repair_once()  # another worker that starts
    assert await redis.xlen(keys.INTAKE) == 0


async def test_after_a_restart_of_redis_all_mail_is_compared(
    redis: RedisClient, intake: Intake, mailstore: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    repair = Repairer(redis, intake)
    await repair.repair_once()
    await _store_only(mailstore, make_mail(1))

    async def another(_redis: RedisClient) -> str:
        return "another"

    monkeypatch.setattr("workitems.intake.repair.run_id", another)
    assert await repair.repair_once()
    assert await redis.xlen(keys.INTAKE) == 1


async def test_once_redis_has_ended_deleting_keys_all_mail_is_compared(
    redis: RedisClient, intake: Intake, mailstore: MailStore
) -> None:
    evicted = 0

    async def count_evictions() -> int:
        return evicted

    repair = Repairer(redis, intake, count_evictions=count_evictions)
    await repair.repair_once()
    assert not await repair.repair_once()
    await _store_only(mailstore, make_mail(1))
    evicted = 7
    assert await repair.repair_once()
    assert not await repair.repair_once()
    assert await redis.xlen(keys.INTAKE) == 1


class _Clock:
    """A clock that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_while_redis_deletes_keys_on_and_on_all_mail_is_compared_once_in_a_while(
    redis: RedisClient, intake: Intake, mailstore: MailStore
) -> None:
    evicted, clock = 0, _Clock()

    async def count_evictions() -> int:
        return evicted

    def make_repairer() -> Repairer:
        return Repairer(redis, intake, count_evictions=count_evictions, clock=clock)

    repair, other = make_repairer(), make_repairer()
    await repair.repair_once()
    await other.repair_once()
    evicted = 1
    assert await repair.repair_once(), "the first time at once"
    for _ in range(10):
        evicted += 1
        clock.now += EVICTION_PAUSE_SECONDS / 11
        assert not await repair.repair_once()
        assert not await other.repair_once()
    await _store_only(mailstore, make_mail(1))
    clock.now += EVICTION_PAUSE_SECONDS / 11 + 1
    assert await repair.repair_once()
    assert await redis.xlen(keys.INTAKE) == 1
    evicted += 1
    clock.now += EVICTION_PAUSE_SECONDS / 2
    assert not await other.repair_once(), "a worker has just done it"


async def test_a_redis_that_deletes_items_again_is_not_compared_before_it_has_ended(
    redis: RedisClient, intake: Intake
) -> None:
    evicted = 0

    async def count_evictions() -> int:
        return evicted

    repair = Repairer(redis, intake, count_evictions=count_evictions)
    await repair.repair_once()
    evicted = 5
    assert await repair.repair_once()
    evicted = 0  # what RedisWatch says while items may be deleted
    assert not await repair.repair_once()


async def test_a_restart_of_redis_does_not_wait_for_the_pause_after_evictions(
    redis: RedisClient, intake: Intake
) -> None:
    async def count_evictions() -> int:
        return 3

    repair = Repairer(redis, intake, count_evictions=count_evictions, clock=_Clock())
    await repair.repair_once()
    await redis.set(keys.REPAIRED, "another 2")
    assert await repair.repair_once()


@pytest.mark.parametrize("mark", [b"\xff", b"", None])
async def test_a_mark_that_was_lost_or_is_foreign_has_all_compared(
    redis: RedisClient, intake: Intake, mailstore: MailStore, mark: bytes | None
) -> None:
    repair = Repairer(redis, intake)
    await repair.repair_once()
    await _store_only(mailstore, make_mail(1))
    await redis.delete(keys.REPAIRED)
    if mark is not None:
        await redis.set(keys.REPAIRED, mark)
    assert await repair.repair_once()
    assert await redis.xlen(keys.INTAKE) == 1


async def test_lost_indexes_and_threads_are_made_again_and_every_client_loads_its_list_again(
    redis: RedisClient, intake: Intake, mailstore: MailStore
) -> None:
    repair, store = Repairer(redis, intake), ItemStore(redis, max_events=100)
    raw = make_mail(1)
    item = (await intake.put(raw, MailOrigin("desk", datetime.now(UTC), "test", len(raw)))).id
    (entry,) = await redis.xrange(keys.INTAKE)
    await mailstore.store_reading(item, {"message_key": "own", "reference_keys": ["parent"]}, [])
    how = {"raws": [fingerprint(raw)], "entry": entry[0].decode(), "message_id": "own", "references": ["parent"]}
    await store.publish(item, "desk", {"created_at": "2026-03-02T10:00:00Z"}, **how)
    await repair.repair_once()
    head = await feed.head(redis)
    await redis.delete(keys.items(), keys.message_id("own"), keys.message_id("parent"), keys.REPAIRED)
    assert await repair.repair_once()
    assert await redis.zrange(keys.items(), 0, -1) == [item.encode()]
    assert await redis.hgetall(keys.message_id("own")) == {
        b"submission:desk": b"sub_" + item[3:].encode(), b"items": item.encode(),
    }  # fmt: skip
    assert await redis.hget(keys.message_id("parent"), "submission:desk") == b"sub_" + item[3:].encode()
    assert await redis.xlen(keys.INTAKE) == 0
    (gap,) = await feed.read_events(redis, head)
    assert not gap.follows(head)
    assert await feed.check_continuity(redis, gap.cursor) is None
    await redis.delete(keys.REPAIRED)
    assert await repair.repair_once()
    assert await feed.head(redis) == gap.cursor, "nothing was missing this time"


async def test_a_full_intake_does_not_have_indexes_completed_again_and_again(
    redis: RedisClient, mailstore: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    async def count_calls(redis: RedisClient) -> int:
        calls.append(redis)
        return 0

    monkeypatch.setattr("worker.upkeep.repair.reindex", count_calls)
    repair = Repairer(redis, Intake(redis, mailstore, max_waiting=1))
    for n in range(2):
        await _store_only(mailstore, make_mail(n))
    for _ in range(3):
        with pytest.raises(IntakeFullError):
            await repair.repair_once()
    assert len(calls) == 1
    await redis.delete(keys.INTAKE, *await redis.keys(keys.attempts("*")))
    for raw in (make_mail(0), make_mail(1)):
        await redis.hset(keys.item(item_id("desk", raw)), mapping={"raws": fingerprint(raw)})
        await mailstore.store_reading(item_id("desk", raw), {}, [])
    assert await repair.repair_once()
    await redis.delete(keys.REPAIRED)
    assert await repair.repair_once()
    assert len(calls) == 2


async def test_a_redis_that_forgot_its_mail_store_knows_it_again(redis: RedisClient, mailstore: MailStore) -> None:
    durable_state = DurableState(redis, mailstore, max_events=100)
    intake = Intake(redis, mailstore, max_waiting=100, reconcile=durable_state.reconcile)
    repair = Repairer(redis, intake, durable_state.reapply_removals)
    await repair.repair_once()
    known = await redis.get(keys.STORE)
    await redis.delete(keys.STORE, keys.REPAIRED)
    await repair.repair_once()
    assert known
    assert await redis.get(keys.STORE) == known


async def test_a_variant_whose_intake_entry_was_lost_is_put_again(
    redis: RedisClient, intake: Intake, mailstore: MailStore
) -> None:
    item = await _store_only(mailstore, make_mail(1))
    await redis.hset(keys.item(item), mapping={"raws": fingerprint(make_mail(1))})
    other = make_mail(1, text="other bytes")
    assert await _store_only(mailstore, other) == item
    await Repairer(redis, intake).repair_once()
    ((_, entry),) = await redis.xrange(keys.INTAKE)
    assert entry[b"raw"].decode() == fingerprint(other)


async def test_a_broken_sidecar_does_not_hide_the_others(
    redis: RedisClient, intake: Intake, mailstore: MailStore
) -> None:
    item = await _store_only(mailstore, make_mail(1))
    (shard,) = await mailstore.shards()
    (shard / item / ("0" * 32 + ".json")).write_bytes(b"{")
    await Repairer(redis, intake).repair_once()
    assert await redis.xlen(keys.INTAKE) == 1

"""Consumers take each mail once, and take over the mail of a dead one."""

import asyncio
import contextlib
from collections.abc import Callable

from tests.workitems.intake_helpers import ID, RAW
from tests.workitems.samples import machine, mail, origin
from workitems.base import keys
from workitems.base.errors import StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.intake import identity
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore


async def test_mail_that_arrived_before_any_consumer_is_taken_once(
    intake: Intake, group: ConsumerGroup, redis: RedisClient
) -> None:
    await intake.put(RAW, origin(RAW))
    await group.ensure_group()
    await group.ensure_group()
    (waiting,) = await group.take(redis, "one", count=10, block_seconds=0.01)
    assert (waiting.item_id, waiting.mailbox) == (ID, "claims")
    assert await group.take(redis, "two", count=10, block_seconds=0.01) == []
    assert await group.read_pending("one") == [waiting]
    assert await group.read_pending("one", after=waiting.entry_id) == []
    assert await group.is_pending("one", waiting.entry_id)
    assert not await group.is_pending("two", waiting.entry_id)


async def test_a_deleted_group_is_created_again_with_all_its_entries(
    intake: Intake, group: ConsumerGroup, redis: RedisClient
) -> None:
    for asked in (
        group.read_pending("one"),
        group.claim_abandoned("one", idle=0),
        group.is_pending("one", "1-1"),
        group.renew_claims("one", ["1-1"]),
    ):
        assert not await asked
    await intake.put(RAW, origin(RAW))
    await group.ensure_group()
    await group.take(redis, "one", count=1, block_seconds=0.01)
    await redis.xgroup_destroy(keys.INTAKE, keys.READERS_GROUP)
    assert await group.take(redis, "one", count=1, block_seconds=0.01) == []
    (waiting,) = await group.take(redis, "one", count=1, block_seconds=0.01)
    assert waiting.item_id == ID


async def test_a_waiting_consumer_survives_the_deletion_of_its_stream(
    intake: Intake, group: ConsumerGroup, redis: RedisClient, make_redis: Callable[..., RedisClient]
) -> None:
    await group.ensure_group()
    reading = asyncio.create_task(group.take(make_redis(blocking=True), "one", count=1, block_seconds=4))
    for _ in range(500):
        if any(client["cmd"] == "xreadgroup" for client in await redis.client_list()):
            break
        await asyncio.sleep(0.01)
    await redis.delete(keys.INTAKE)
    with contextlib.suppress(StoreUnavailableError):  # Redis 7 reports it; the consumer waits and tries again
        assert await reading == []
    await intake.put(RAW, origin(RAW))
    await group.ensure_group()
    assert [waiting.item_id for waiting in await group.take(redis, "one", count=1, block_seconds=1)] == [ID]


async def test_entries_of_a_dead_consumer_are_taken_over_and_renewed_ones_are_not(
    intake: Intake, group: ConsumerGroup, redis: RedisClient
) -> None:
    await group.ensure_group()
    for n in range(2):
        raw = mail(f"<{n}>")
        await intake.put(raw, origin(raw))
    kept, left = await group.take(redis, "dead", count=2, block_seconds=0.1)
    assert await group.claim_abandoned("two", idle=60) == []
    await asyncio.sleep(0.2)
    await group.renew_claims("dead", [kept.entry_id])
    assert await group.claim_abandoned("two", idle=0.15) == [left]
    assert await group.is_pending("two", left.entry_id)
    assert not await group.is_pending("dead", left.entry_id)
    assert await group.read_pending("dead") == [kept]
    await group.renew_claims("dead", [])


async def test_a_finished_entry_is_neither_renewed_nor_taken_over(
    intake: Intake, group: ConsumerGroup, redis: RedisClient, mailstore: MailStore
) -> None:
    await intake.put(RAW, origin(RAW))
    await group.ensure_group()
    (waiting,) = await group.take(redis, "one", count=1, block_seconds=0.1)
    await ItemStore(redis, max_events=100).publish(ID, "claims", machine(), raws=["a"], entry=waiting.entry_id)
    await group.renew_claims("one", [waiting.entry_id])
    assert not await group.is_pending("one", waiting.entry_id)
    assert await group.claim_abandoned("two", idle=0) == []
    assert await group.read_pending("one") == []


async def test_an_entry_that_another_consumer_took_over_is_not_taken_back(
    intake: Intake, group: ConsumerGroup, redis: RedisClient
) -> None:
    await intake.put(RAW, origin(RAW))
    await group.ensure_group()
    (waiting,) = await group.take(redis, "late", count=1, block_seconds=0.1)
    assert await group.claim_abandoned("two", idle=0) == [waiting]
    await group.renew_claims("late", [waiting.entry_id])
    assert await group.is_pending("two", waiting.entry_id)
    assert not await group.is_pending("late", waiting.entry_id)


async def test_attempts_are_counted_and_the_count_can_be_undone(
    intake: Intake, group: ConsumerGroup, redis: RedisClient
) -> None:
    await intake.put(RAW, origin(RAW))
    await group.ensure_group()
    (waiting,) = await group.take(redis, "one", count=1, block_seconds=0.1)
    assert waiting.size == len(RAW)
    assert await group.get_attempts(ID) == 0
    await group.set_attempts(waiting, 1)
    await group.set_attempts(waiting, 1)
    assert await group.get_attempts(ID) == 1
    await group.set_attempts(waiting, 0)
    assert await group.get_attempts(ID) == 0


async def test_an_attempt_at_an_entry_that_another_finished_leaves_no_count(
    intake: Intake, group: ConsumerGroup, redis: RedisClient
) -> None:
    await intake.put(RAW, origin(RAW))
    await group.ensure_group()
    (waiting,) = await group.take(redis, "one", count=1, block_seconds=0.1)
    store = ItemStore(redis, max_events=100)
    await store.publish(ID, "claims", machine(), raws=["a"], entry=waiting.entry_id)
    await redis.delete(keys.attempts(ID))
    await group.set_attempts(waiting, 1)
    assert not await store.is_waiting(ID)


async def test_a_mail_counts_as_waiting_while_another_variant_of_it_waits(
    intake: Intake, group: ConsumerGroup, redis: RedisClient
) -> None:
    first = await intake.put(RAW, origin(RAW, uidvalidity=7, uid=1))
    await group.ensure_group()
    (waiting,) = await group.take(redis, "one", count=1, block_seconds=0.1)
    await group.set_attempts(waiting, 2)
    other = mail(body="came while the first was read")
    await intake.put(other, origin(other, uidvalidity=7, uid=2))
    store, raws = ItemStore(redis, max_events=100), [identity.fingerprint(raw) for raw in (RAW, other)]

    await store.publish(first.id, "claims", machine("first"), raws=raws[:1], entry=waiting.entry_id)

    assert await store.is_waiting(ID)
    assert await redis.hgetall(keys.attempts(ID)) == {b"raws": raws[1].encode()}
    assert (await intake.put(other, origin(other, uidvalidity=7, uid=2))).outcome == "duplicate"
    (waiting,) = await group.take(redis, "one", count=1, block_seconds=0.1)
    await store.publish(ID, "claims", machine("both"), raws=raws, entry=waiting.entry_id)
    assert not await store.is_waiting(ID)


async def test_a_mail_that_the_store_lost_no_longer_waits_once_it_is_published(
    intake: Intake, group: ConsumerGroup, redis: RedisClient
) -> None:
    await intake.put(RAW, origin(RAW))
    await group.ensure_group()
    (waiting,) = await group.take(redis, "one", count=1, block_seconds=0.1)
    store = ItemStore(redis, max_events=100)
    await store.publish(ID, "claims", machine(), entry=waiting.entry_id)
    assert not await store.is_waiting(ID)

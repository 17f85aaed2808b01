"""Mail that waits is read although Redis deleted its intake entry or its attempts, and none is read into two items."""

import asyncio

import pytest

from tests.workitems.intake_helpers import ID, RAW, lost, read_all, waiting_ids
from tests.workitems.samples import mail, origin
from workitems.base import keys
from workitems.base.errors import IntakeFullError
from workitems.base.redis import RedisClient
from workitems.intake import entries as entries_module
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.entries import WaitingEntries
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.queue.quarantine import retry_item
from workitems.queue.store import ItemStore


async def _put_some(intake: Intake, count: int = 5) -> list[str]:
    return [(await intake.put(raw, origin(raw, uidvalidity=7, uid=n + 1))).id
            for n, raw in enumerate(mail(f"<{n}>") for n in range(count))]  # fmt: skip


async def test_mail_whose_entries_redis_deleted_waits_again_once(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    ids = await _put_some(intake)
    await redis.delete(keys.INTAKE)
    assert await lost(intake) == 5
    assert await lost(intake) == 0
    assert sorted(await waiting_ids(redis)) == sorted(ids)
    await read_all(redis, intake, mailstore)
    assert await redis.zcard(keys.items()) == 5
    assert not await redis.keys(keys.attempts("*"))
    assert await lost(intake) == 0


async def test_entries_tell_the_mailbox_and_the_size_as_before(intake: Intake, redis: RedisClient) -> None:
    await _put_some(intake)
    before = sorted(str(fields) for _, fields in await redis.xrange(keys.INTAKE))
    await redis.delete(keys.INTAKE)
    await lost(intake)
    assert sorted(str(fields) for _, fields in await redis.xrange(keys.INTAKE)) == before


async def test_mail_that_came_after_the_loss_is_not_entered_twice(intake: Intake, redis: RedisClient) -> None:
    ids = await _put_some(intake, 3)
    await redis.delete(keys.INTAKE)
    raw = mail("<new>")
    ids.append((await intake.put(raw, origin(raw))).id)
    assert await lost(intake) == 3
    assert sorted(await waiting_ids(redis)) == sorted(ids)


async def test_repairs_at_the_same_time_enter_each_mail_once(intake: Intake, redis: RedisClient) -> None:
    ids = await _put_some(intake, 20)
    await redis.delete(keys.INTAKE)
    assert sum(await asyncio.gather(*(lost(intake) for _ in range(4)))) == 20
    assert sorted(await waiting_ids(redis)) == sorted(ids)


async def test_mails_that_another_repair_enters_meanwhile_are_entered_once(
    intake: Intake, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await _put_some(intake, 2)
    await redis.delete(keys.INTAKE)
    sidecar = entries_module._sidecar
    others: list[int] = []

    async def entered_meanwhile(intake: Intake, item_id: str) -> object:
        if not others:
            others.append(0)
            others.append(await lost(intake))
        return await sidecar(intake, item_id)

    monkeypatch.setattr(entries_module, "_sidecar", entered_meanwhile)
    assert (await lost(intake), others) == (0, [0, 2])
    assert sorted(await waiting_ids(redis)) == sorted(ids)


async def test_a_mail_that_is_published_during_the_repair_is_not_entered(
    intake: Intake, redis: RedisClient, mailstore: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _put_some(intake, 2)
    group = ConsumerGroup(redis)
    await group.ensure_group()
    (first, _) = await group.take(redis, "reader", count=10, block_seconds=0.01)
    await redis.delete(keys.INTAKE)
    sidecar = entries_module._sidecar

    async def published_meanwhile(intake: Intake, item_id: str) -> object:
        store = ItemStore(redis, max_events=100)
        raws = [stored.sidecar.raw for stored in await mailstore.get_raw_mails(first.item_id)]
        machine = {"created_at": "2026-03-01T09:30:00Z"}
        await mailstore.store_reading(first.item_id, {}, [])
        await store.publish(first.item_id, first.mailbox, machine, raws=raws, entry=first.entry_id)
        return await sidecar(intake, item_id)

    monkeypatch.setattr(entries_module, "_sidecar", published_meanwhile)
    assert await lost(intake) == 1
    assert first.item_id not in await waiting_ids(redis)


async def test_a_quarantined_item_that_waits_to_be_read_again_is_entered_again(
    intake: Intake, redis: RedisClient, mailstore: MailStore
) -> None:
    await intake.put(RAW, origin(RAW))
    await read_all(redis, intake, mailstore)
    assert await retry_item(redis, mailstore, ID, max_waiting=50)
    await redis.delete(keys.INTAKE)
    assert await lost(intake) == 1
    await read_all(redis, intake, mailstore)
    assert not await redis.exists(keys.attempts(ID))
    assert await redis.zcard(keys.items()) == 1


async def test_a_full_intake_stops_the_entering_and_it_continues_later(
    redis: RedisClient, mailstore: MailStore
) -> None:
    wide, narrow = (Intake(redis, mailstore, max_waiting=most) for most in (50, 4))
    await _put_some(wide, 6)
    await redis.delete(keys.INTAKE)
    with pytest.raises(IntakeFullError):
        await lost(narrow)
    assert await narrow.count_waiting() == 4
    await read_all(redis, narrow, mailstore)
    await lost(narrow)
    await read_all(redis, narrow, mailstore)
    assert await redis.zcard(keys.items()) == 6


async def test_attempts_of_mail_that_is_nowhere_else_are_left_alone(intake: Intake, redis: RedisClient) -> None:
    await redis.hset(keys.attempts(ID), "raws", "0" * 32)
    await redis.set(keys.attempts("text"), "foreign")
    assert await lost(intake) == 0
    assert await waiting_ids(redis) == []


async def test_a_mail_whose_attempts_redis_deleted_is_not_entered_twice(
    redis: RedisClient, mailstore: MailStore
) -> None:
    intake = Intake(redis, mailstore, max_waiting=50, after_action_on={"claims": "published"})
    ids = await _put_some(intake, 3)
    before = await redis.hgetall(keys.attempts(ids[0]))
    assert before[b"locations"]
    await redis.delete(*(keys.attempts(each) for each in ids))
    await lost(intake)
    assert await waiting_ids(redis) == ids
    assert await redis.hgetall(keys.attempts(ids[0])) == before, "its after-action is not forgotten"
    await read_all(redis, intake, mailstore)
    assert await redis.zcard(keys.after("claims")) == 3


async def test_the_entries_are_read_in_pieces_and_each_only_once(
    intake: Intake, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries_module, "_ENTRIES", 2)
    ids = await _put_some(intake, 5)
    entries = WaitingEntries(redis)
    await entries.update()
    assert entries.items == set(ids)
    raw = mail("<new>")
    new = (await intake.put(raw, origin(raw))).id
    await entries.update()
    assert entries.items == {*ids, new}

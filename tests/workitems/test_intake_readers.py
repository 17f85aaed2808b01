"""Readers take each mail once, and take over what a dead one held."""

import asyncio
import contextlib
from collections.abc import Callable

from tests.workitems.corridor import ID, RAW
from tests.workitems.samples import machine, mail, origin
from workitems import identity, keys
from workitems.errors import StoreUnavailableError
from workitems.intake import Intake
from workitems.mailstore import MailStore
from workitems.redis import Client
from workitems.store import Store


async def test_mail_that_came_before_any_reader_is_taken_once(intake: Intake, redis: Client) -> None:
    await intake.put(RAW, origin(RAW))
    await intake.open()
    await intake.open()
    (waiting,) = await intake.take(redis, "one", count=10, seconds=0.01)
    assert (waiting.id, waiting.mailbox) == (ID, "claims")
    assert await intake.take(redis, "two", count=10, seconds=0.01) == []
    assert await intake.unfinished("one") == [waiting]
    assert await intake.unfinished("one", after=waiting.entry) == []
    assert await intake.holds("one", waiting.entry)
    assert not await intake.holds("two", waiting.entry)


async def test_a_group_that_is_gone_is_made_again_with_everything_in_it(intake: Intake, redis: Client) -> None:
    for asked in (
        intake.unfinished("one"),
        intake.abandoned("one", idle=0),
        intake.holds("one", "1-1"),
        intake.hold("one", ["1-1"]),
    ):
        assert not await asked
    await intake.put(RAW, origin(RAW))
    await intake.open()
    await intake.take(redis, "one", count=1, seconds=0.01)
    await redis.xgroup_destroy(keys.INTAKE, keys.READERS)
    assert await intake.take(redis, "one", count=1, seconds=0.01) == []
    (waiting,) = await intake.take(redis, "one", count=1, seconds=0.01)
    assert waiting.id == ID


async def test_a_waiting_reader_survives_the_end_of_its_stream(
    intake: Intake, redis: Client, make_redis: Callable[..., Client]
) -> None:
    await intake.open()
    reading = asyncio.create_task(intake.take(make_redis(blocking=True), "one", count=1, seconds=4))
    for _ in range(500):
        if any(client["cmd"] == "xreadgroup" for client in await redis.client_list()):
            break
        await asyncio.sleep(0.01)
    await redis.delete(keys.INTAKE)
    with contextlib.suppress(StoreUnavailableError):  # Redis 7 says so; the reader waits and comes again
        assert await reading == []
    await intake.put(RAW, origin(RAW))
    await intake.open()
    assert [waiting.id for waiting in await intake.take(redis, "one", count=1, seconds=1)] == [ID]


async def test_what_a_dead_reader_held_is_taken_over_and_what_is_held_is_not(intake: Intake, redis: Client) -> None:
    await intake.open()
    for n in range(2):
        raw = mail(f"<{n}>")
        await intake.put(raw, origin(raw))
    kept, left = await intake.take(redis, "dead", count=2, seconds=0.1)
    assert await intake.abandoned("two", idle=60) == []
    await asyncio.sleep(0.2)
    await intake.hold("dead", [kept.entry])
    assert await intake.abandoned("two", idle=0.15) == [left]
    assert await intake.holds("two", left.entry)
    assert not await intake.holds("dead", left.entry)
    assert await intake.unfinished("dead") == [kept]
    await intake.hold("dead", [])


async def test_an_entry_that_was_finished_is_neither_held_nor_taken_over(
    intake: Intake, redis: Client, mailstore: MailStore
) -> None:
    await intake.put(RAW, origin(RAW))
    await intake.open()
    (waiting,) = await intake.take(redis, "one", count=1, seconds=0.1)
    await Store(redis, history=100).publish(ID, "claims", machine(), raws=["a"], entry=waiting.entry)
    await intake.hold("one", [waiting.entry])
    assert not await intake.holds("one", waiting.entry)
    assert await intake.abandoned("two", idle=0) == []
    assert await intake.unfinished("one") == []


async def test_what_another_took_over_is_not_taken_back(intake: Intake, redis: Client) -> None:
    await intake.put(RAW, origin(RAW))
    await intake.open()
    (waiting,) = await intake.take(redis, "late", count=1, seconds=0.1)
    assert await intake.abandoned("two", idle=0) == [waiting]
    await intake.hold("late", [waiting.entry])
    assert await intake.holds("two", waiting.entry)
    assert not await intake.holds("late", waiting.entry)


async def test_tries_are_counted_and_taken_back(intake: Intake, redis: Client) -> None:
    await intake.put(RAW, origin(RAW))
    await intake.open()
    (waiting,) = await intake.take(redis, "one", count=1, seconds=0.1)
    assert waiting.size == len(RAW)
    assert await intake.tries(ID) == 0
    await intake.count(waiting, 1)
    await intake.count(waiting, 1)
    assert await intake.tries(ID) == 1
    await intake.count(waiting, 0)
    assert await intake.tries(ID) == 0


async def test_a_try_at_what_another_has_finished_leaves_nothing_behind(intake: Intake, redis: Client) -> None:
    await intake.put(RAW, origin(RAW))
    await intake.open()
    (waiting,) = await intake.take(redis, "one", count=1, seconds=0.1)
    store = Store(redis, history=100)
    await store.publish(ID, "claims", machine(), raws=["a"], entry=waiting.entry)
    await redis.delete(keys.attempts(ID))
    await intake.count(waiting, 1)
    assert not await store.is_waiting(ID)


async def test_while_another_version_of_a_mail_waits_it_is_said_to_wait(intake: Intake, redis: Client) -> None:
    first = await intake.put(RAW, origin(RAW, uidvalidity=7, uid=1))
    await intake.open()
    (waiting,) = await intake.take(redis, "one", count=1, seconds=0.1)
    await intake.count(waiting, 2)
    other = mail(body="came while the first was read")
    await intake.put(other, origin(other, uidvalidity=7, uid=2))
    store, raws = Store(redis, history=100), [identity.fingerprint(raw) for raw in (RAW, other)]

    await store.publish(first.id, "claims", machine("first"), raws=raws[:1], entry=waiting.entry)

    assert await store.is_waiting(ID)
    assert await redis.hgetall(keys.attempts(ID)) == {b"raws": raws[1].encode()}
    assert (await intake.put(other, origin(other, uidvalidity=7, uid=2))).outcome == "duplicate"
    (waiting,) = await intake.take(redis, "one", count=1, seconds=0.1)
    await store.publish(ID, "claims", machine("both"), raws=raws, entry=waiting.entry)
    assert not await store.is_waiting(ID)


async def test_a_mail_that_the_store_has_lost_waits_no_longer_once_it_is_published(
    intake: Intake, redis: Client
) -> None:
    await intake.put(RAW, origin(RAW))
    await intake.open()
    (waiting,) = await intake.take(redis, "one", count=1, seconds=0.1)
    store = Store(redis, history=100)
    await store.publish(ID, "claims", machine(), entry=waiting.entry)
    assert not await store.is_waiting(ID)

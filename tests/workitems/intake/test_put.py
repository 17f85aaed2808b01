"""Put mail: store it first, then record it in one step with the checkpoint; each mail once, none lost."""

import asyncio
import threading

import pytest
from redis import Redis

from tests.workitems.intake_helpers import ID, RAW, lost, read_all, waiting_ids
from tests.workitems.samples import IDS, everything, mail, origin
from workitems.base import keys
from workitems.base.errors import IntakeFullError, LeaseLostError, NotFoundError
from workitems.base.redis import RedisClient
from workitems.intake import identity
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import Checkpoint, FolderRecord
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore


async def checkpoint(redis: RedisClient) -> int:
    found = await FolderRecord(redis, "claims").checkpoint()
    assert found is not None
    return found.uid


async def test_a_mail_is_stored_and_waits(intake: Intake, mailstore: MailStore, redis: RedisClient) -> None:
    receipt = await intake.put(RAW, origin(RAW))
    assert (receipt.id, receipt.outcome) == (ID, "new")
    assert await waiting_ids(redis) == [ID]
    assert await intake.count_waiting() == 1
    (stored,) = await mailstore.get_raw_mails(ID)
    assert stored.raw == RAW
    assert stored.sidecar.arrived == "2026-03-01T09:30:00Z"
    assert await ItemStore(redis, max_events=100).is_waiting(ID)


async def test_the_same_mail_put_again_waits_once_before_and_after_it_was_read(
    intake: Intake, mailstore: MailStore, redis: RedisClient
) -> None:
    await intake.put(RAW, origin(RAW))
    assert (await intake.put(RAW, origin(RAW))).outcome == "duplicate"
    assert await waiting_ids(redis) == [ID]
    await read_all(redis, intake, mailstore)
    assert (await intake.put(RAW, origin(RAW))).outcome == "duplicate"
    assert await intake.count_waiting() == 0


async def test_one_mail_put_many_times_at_once_waits_once(
    intake: Intake, mailstore: MailStore, redis: RedisClient
) -> None:
    receipts = await asyncio.gather(*(intake.put(RAW, origin(RAW)) for _ in range(20)))
    assert sorted(receipt.outcome for receipt in receipts) == ["duplicate"] * 19 + ["new"]
    assert await waiting_ids(redis) == [ID]
    assert (await mailstore.get_raw_mails(ID))[0].raw == RAW


async def test_other_bytes_of_a_mail_are_a_variant_of_its_item(
    intake: Intake, mailstore: MailStore, redis: RedisClient
) -> None:
    other = mail(body="The body that came later.")
    await intake.put(RAW, origin(RAW))
    assert (await intake.put(other, origin(other))).outcome == "variant"
    await read_all(redis, intake, mailstore)
    third = mail(body="And another.")
    receipt = await intake.put(third, origin(third))
    assert (receipt.id, receipt.outcome) == (ID, "variant")
    assert [(await intake.put(raw, origin(raw))).outcome for raw in (RAW, other, third)] == ["duplicate"] * 3
    await read_all(redis, intake, mailstore)
    assert len(await mailstore.get_raw_mails(ID)) == 3
    assert await redis.zcard(keys.items()) == 1


@pytest.mark.parametrize("read_after", [None, 1, 4, 9])
async def test_many_bodies_under_one_message_id_all_get_items(
    intake: Intake, mailstore: MailStore, redis: RedisClient, read_after: int | None
) -> None:
    receipts = []
    for n in range(30):
        raw = mail(body=f"Body {n}")
        receipts.append(await intake.put(raw, origin(raw)))
        if n == read_after:
            await read_all(redis, intake, mailstore)
    assert [receipt.id for receipt in receipts[:9]] == [ID] * 9
    own = receipts[9:]
    assert len({receipt.id for receipt in own}) == 21
    assert {receipt.outcome for receipt in own} == {"new"}
    last = mail(body="Body 29")
    assert (await intake.put(last, origin(last))).outcome == "duplicate"
    assert len(await mailstore.get_raw_mails(ID)) == 9
    assert await lost(intake) == 0
    await read_all(redis, intake, mailstore)
    assert await redis.zcard(keys.items()) == 22


async def test_the_same_mail_in_two_mailboxes_is_two_mails(intake: Intake, redis: RedisClient) -> None:
    await intake.put(RAW, origin(RAW))
    assert (await intake.put(RAW, origin(RAW, "orders"))).outcome == "new"
    assert len(set(await waiting_ids(redis))) == 2


async def test_a_removed_mail_does_not_come_back_and_the_checkpoint_passes_it(
    intake: Intake, mailstore: MailStore, redis: RedisClient
) -> None:
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(7, 2))
    await redis.set(keys.gone(ID), "1")
    assert (await intake.put(RAW, origin(RAW, uidvalidity=7, uid=3))).outcome == "gone"
    with pytest.raises(NotFoundError):
        await mailstore.get_raw_mails(ID)
    assert await intake.count_waiting() == 0
    assert await checkpoint(redis) == 3
    assert await lost(intake) == 0


async def test_a_full_intake_refuses_and_writes_nothing(
    redis: RedisClient, mailstore: MailStore, redis_url: str
) -> None:
    intake = Intake(redis, mailstore, max_waiting=2)
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(7, 2))
    for n in range(2):
        raw = mail(f"<{n}>")
        await intake.put(raw, origin(raw))
    before = everything(redis_url)
    with pytest.raises(IntakeFullError, match="2 mails wait"):
        await intake.put(RAW, origin(RAW, uidvalidity=7, uid=9))
    assert everything(redis_url) == before
    known = mail("<0>")
    assert (await intake.put(known, origin(known, uidvalidity=7, uid=3))).outcome == "duplicate"
    await read_all(redis, intake, mailstore)
    assert (await intake.put(RAW, origin(RAW, uidvalidity=7, uid=9))).outcome == "new"
    assert await checkpoint(redis) == 9


async def test_the_checkpoint_moves_with_the_mail_and_never_back(intake: Intake, redis: RedisClient) -> None:
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(7, 2))
    seen = []
    for uid in (5, 3, 12, 9, 100, 99):
        raw = mail(f"<{uid}>")
        await intake.put(raw, origin(raw, uidvalidity=7, uid=uid))
        seen.append(await checkpoint(redis))
    assert seen == [5, 5, 12, 12, 100, 100]


async def test_mail_of_another_uidvalidity_waits_and_leaves_the_checkpoint(intake: Intake, redis: RedisClient) -> None:
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(8, 2))
    assert (await intake.put(RAW, origin(RAW, uidvalidity=7, uid=500))).outcome == "new"
    assert await FolderRecord(redis, "claims").checkpoint() == Checkpoint(8, 2)


async def test_a_duplicate_moves_the_checkpoint_too(intake: Intake, redis: RedisClient) -> None:
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(7, 2))
    await intake.put(RAW, origin(RAW))
    await intake.put(RAW, origin(RAW, uidvalidity=7, uid=4))
    assert await checkpoint(redis) == 4


async def test_uploaded_mail_makes_no_checkpoint(intake: Intake, redis: RedisClient) -> None:
    await intake.put(RAW, origin(RAW, source="api"))
    assert await FolderRecord(redis, "claims").checkpoint() is None


async def test_a_worker_that_lost_its_lease_records_nothing(intake: Intake, redis: RedisClient, redis_url: str) -> None:
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(7, 2))
    before = everything(redis_url)
    with pytest.raises(LeaseLostError, match="claims"):
        await intake.put(RAW, origin(RAW, uidvalidity=7, uid=3, lease_token="1"))
    assert everything(redis_url) == before
    await redis.set("{tubepost}:lease:claims", "2")
    with pytest.raises(LeaseLostError):
        await intake.put(RAW, origin(RAW, uidvalidity=7, uid=3, lease_token="1"))
    assert (await intake.put(RAW, origin(RAW, uidvalidity=7, uid=3, lease_token="2"))).outcome == "new"
    assert await checkpoint(redis) == 3


async def test_keys_in_redis_are_those_of_the_table(intake: Intake, redis_url: str, redis: RedisClient) -> None:
    await intake.put(RAW, origin(RAW))
    with Redis.from_url(redis_url) as client:
        assert sorted(client.keys("*")) == sorted([keys.INTAKE.encode(), keys.attempts(ID).encode()])
    assert IDS


async def test_large_mail_is_not_hashed_on_the_event_loop(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    real, threads = identity.fingerprint, list[bool]()

    def watched(raw: bytes) -> str:
        threads.append(threading.current_thread() is threading.main_thread())
        return real(raw)

    monkeypatch.setattr(identity, "fingerprint", watched)
    for size in (100, 1_000_000):
        raw = mail(None, body="x" * size)
        await intake.put(raw, origin(raw))
    assert threads == [True, False]

"""The record of a folder: the checkpoint only rises, and only while the UIDVALIDITY stays the same."""

from datetime import date

import pytest

from workitems.base.errors import LeaseLostError
from workitems.base.redis import RedisClient
from workitems.mailboxes.checkpoint import FAILING, PAUSED, WATCHING, BackfillCounts, Checkpoint, FolderRecord
from workitems.mailboxes.lease import Lease


async def test_a_mailbox_that_was_never_seen_has_no_checkpoint(redis: RedisClient) -> None:
    assert await FolderRecord(redis, "claims").checkpoint() is None
    assert not await FolderRecord(redis, "claims").advance_checkpoint(7, 1)
    assert await FolderRecord(redis, "claims").checkpoint() is None


async def test_a_new_checkpoint_is_read_back_unchanged(redis: RedisClient) -> None:
    for checkpoint in (Checkpoint(7, 12), Checkpoint(2**32 - 1, 0, date(2026, 3, 1), 99)):
        await FolderRecord(redis, "claims").set_checkpoint(checkpoint)
        assert await FolderRecord(redis, "claims").checkpoint() == checkpoint
    assert await FolderRecord(redis, "orders").checkpoint() is None


async def test_a_checkpoint_never_goes_back_and_belongs_to_its_uidvalidity(redis: RedisClient) -> None:
    mailbox = FolderRecord(redis, "claims")
    await mailbox.set_checkpoint(Checkpoint(7, 12))
    assert [
        await mailbox.advance_checkpoint(7, 15),
        await mailbox.advance_checkpoint(7, 13),
        await mailbox.advance_checkpoint(8, 99),
    ] == [
        True,
        True,
        False,
    ]
    assert await mailbox.checkpoint() == Checkpoint(7, 15)
    await mailbox.advance_checkpoint(7, 2**32 - 1)
    assert await mailbox.checkpoint() == Checkpoint(7, 2**32 - 1)


async def test_unfetched_uids_are_forgotten_with_their_uidvalidity(redis: RedisClient) -> None:
    mailbox = FolderRecord(redis, "claims")
    await mailbox.set_checkpoint(Checkpoint(7, 12))
    assert await mailbox.unfetched_uids() == {}
    await mailbox.set_unfetched_uids({3: 1, 9: 2}, given_up=1)
    assert await mailbox.unfetched_uids() == {3: 1, 9: 2}
    await mailbox.set_checkpoint(Checkpoint(8, 0))
    assert await mailbox.unfetched_uids() == {}


async def test_the_state_is_bounded_and_a_failure_does_not_count_as_a_check(redis: RedisClient) -> None:
    mailbox = FolderRecord(redis, "claims")
    await mailbox.set_state(FAILING, "x" * 10_000)
    known = await redis.hgetall("{tubepost}:mailbox:claims:INBOX")
    assert (known[b"state"], len(known[b"error"]), b"checked" in known) == (b"failing", 300, False)
    await mailbox.set_state(WATCHING)
    known = await redis.hgetall("{tubepost}:mailbox:claims:INBOX")
    assert (known[b"state"], known[b"error"]) == (b"watching", b"")
    assert float(known[b"checked"]) > 1_700_000_000


async def _record(redis: RedisClient) -> dict[str, str]:
    found = await redis.hgetall("{tubepost}:mailbox:claims:INBOX")
    return {name.decode(): value.decode() for name, value in found.items()}


async def test_the_state_records_when_it_began_and_its_worker(redis: RedisClient) -> None:
    mailbox = FolderRecord(redis, "claims")
    await mailbox.set_state(PAUSED, "the disk is full", worker="one")
    first = await _record(redis)
    await mailbox.set_state(PAUSED, "the intake is full", worker="one")
    assert (await _record(redis))["since"] == first["since"]
    await mailbox.set_state(WATCHING, worker="two")
    later = await _record(redis)
    assert float(later["since"]) > float(first["since"])
    assert (later["worker"], later["error"]) == ("two", "")


async def test_the_progress_of_a_backfill_is_recorded_while_it_runs(redis: RedisClient) -> None:
    mailbox = FolderRecord(redis, "claims")
    await mailbox.set_state(WATCHING, progress=BackfillCounts(20, 300))
    await mailbox.set_import_progress(BackfillCounts(1, 9))
    record = await _record(redis)
    assert [record[name] for name in ("taken", "todo", "import_taken", "import_todo")] == ["20", "300", "1", "9"]
    await mailbox.set_state(WATCHING)
    await mailbox.set_import_progress(None)
    assert not {"taken", "todo", "import_taken", "import_todo"} & (await _record(redis)).keys()


async def test_only_a_second_start_is_recorded_as_one(redis: RedisClient) -> None:
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(7, 2))
    assert "rebaselined" not in await _record(redis)
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(8, 0))
    record = await _record(redis)
    assert record["baselines"] == "2"
    assert float(record["rebaselined"]) > 1_700_000_000
    await redis.flushall()
    await FolderRecord(redis, "claims").set_checkpoint(Checkpoint(8, 0), again=True)
    assert "rebaselined" in await _record(redis)


async def test_only_the_holder_of_the_lease_records_the_state(redis: RedisClient) -> None:
    one, two = (Lease(redis, "claims", owner, ttl_seconds=30) for owner in ("one", "two"))
    await one.acquire()
    await FolderRecord(redis, "claims", lease=one).set_state(WATCHING, worker="one")
    with pytest.raises(LeaseLostError):
        await FolderRecord(redis, "claims", lease=two).set_state(FAILING, "nothing answers", worker="two")
    assert (await _record(redis))["state"] == "watching"

"""State that must survive a total loss of Redis."""

import asyncio
import json
import resource
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.workitems.intake_helpers import ID, RAW, lost
from tests.workitems.samples import IDS, machine, mail, origin
from workitems.base import keys
from workitems.base.errors import MailStoreUnavailableError, NotFoundError, StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import Checkpoint
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore
from workitems.recovery.durable_state import REFERENCE_BLOCK, DurableState


class WorkerParts:
    """Combine the parts as a worker does; a new object simulates a new process."""

    def __init__(self, redis: RedisClient, mailstore: MailStore) -> None:
        self.redis = redis
        self.mailstore = mailstore
        self.durable_state = DurableState(redis, mailstore, max_events=1000)
        self.removal = self.durable_state.removal
        self.intake = Intake(redis, mailstore, max_waiting=50, reconcile=self.durable_state.reconcile)
        self.store = ItemStore(redis, max_events=1000, reserve=self.durable_state.reserve_references)

    async def reference(self, n: int) -> int:
        published = await self.store.publish(f"wi_{n:026d}", "claims", machine(f"{n}"))
        assert published.item
        return int(published.item.submission_ref[-6:])

    async def remove(self, item_id: str) -> None:
        assert await self.removal.remove(item_id, who="ann", why="asked for")
        await self.removal.finish([item_id])


@pytest.fixture
def parts(redis: RedisClient, mailstore: MailStore) -> WorkerParts:
    return WorkerParts(redis, mailstore)


# --- references -----------------------------------------------------------------------------------------------------


async def test_references_begin_at_one_without_gaps(parts: WorkerParts) -> None:
    assert [await parts.reference(n) for n in range(5)] == [1, 2, 3, 4, 5]


async def test_mails_published_at_once_reserve_numbers_once_and_skip_none(parts: WorkerParts) -> None:
    given = await asyncio.gather(*(parts.reference(n) for n in range(100)))
    assert sorted(given) == list(range(1, 101))
    assert int((parts.mailstore.folder / ".tubepost" / "references").read_text()) <= 2 * REFERENCE_BLOCK


async def test_no_reference_is_given_twice_after_a_total_loss(parts: WorkerParts) -> None:
    before = [await parts.reference(n) for n in range(3)]
    for life in range(3):
        await parts.redis.flushall()
        parts = WorkerParts(parts.redis, parts.mailstore)
        fresh = [await parts.reference(n) for n in range(3)]
        assert min(fresh) > max(before)
        assert fresh[0] <= (life + 1) * 2 * REFERENCE_BLOCK + 1_003, "few numbers are skipped"
        before = fresh


async def test_the_next_numbers_are_reserved_on_disk_before_one_of_them_is_given(parts: WorkerParts) -> None:
    path = parts.mailstore.folder / ".tubepost" / "references"
    assert await parts.reference(1) == 1
    assert int(path.read_text()) == REFERENCE_BLOCK + 1
    await parts.redis.set(keys.PREFIX + "reference:n", REFERENCE_BLOCK)
    assert await parts.reference(2) == REFERENCE_BLOCK + 1
    assert int(path.read_text()) == REFERENCE_BLOCK + 1
    assert await parts.reference(3) == REFERENCE_BLOCK + 2
    assert int(path.read_text()) == 2 * REFERENCE_BLOCK + 2


async def test_a_redis_restored_with_older_data_continues_above_all_given_numbers(parts: WorkerParts) -> None:
    assert await parts.reference(1) == 1
    await parts.redis.set(keys.PREFIX + "reference:n", 5 * REFERENCE_BLOCK)
    given = await parts.reference(2)
    for n, (counter, most) in enumerate([(5, REFERENCE_BLOCK + 1), (REFERENCE_BLOCK, REFERENCE_BLOCK + 1), (0, 0)]):
        await parts.redis.mset({keys.PREFIX + "reference:n": counter, keys.REFERENCE_BOUND: most})
        await parts.redis.set(keys.FEED_RUN, "another")
        fresh = await parts.reference(n + 3)
        assert fresh > given
        given = fresh


@pytest.mark.parametrize("deleted", [["reference:n"], ["reference:most"], ["reference:n", "reference:most"]])
@pytest.mark.parametrize("is_new_epoch", [False, True])
async def test_no_reference_is_given_twice_after_redis_deleted_a_counter(
    parts: WorkerParts, deleted: list[str], is_new_epoch: bool
) -> None:
    given = [await parts.reference(n) for n in range(3)]
    for n in range(3, 9, 2):
        await parts.redis.delete(*(keys.PREFIX + each for each in deleted))
        if is_new_epoch:
            await parts.redis.set(keys.FEED_RUN, "another")
        given += [await parts.reference(each) for each in (n, n + 1)]
    assert given == sorted(set(given))
    assert given[-1] <= 3 * 2 * (REFERENCE_BLOCK + 1) + 3 * 1000 + 10, "few numbers are skipped"


async def test_a_persons_change_in_a_new_epoch_does_not_lower_a_deleted_counter(parts: WorkerParts) -> None:
    await parts.reference(0)
    await parts.redis.set(keys.PREFIX + "reference:n", 3 * REFERENCE_BLOCK)
    given = await parts.reference(1)
    await parts.redis.delete(keys.PREFIX + "reference:n")
    await parts.redis.set(keys.FEED_RUN, "another")
    await parts.store.change(f"wi_{0:026d}", ItemChange(status="done"), who="ann")
    assert await parts.reference(2) > given


async def test_two_processes_that_reserve_at_once_do_not_lower_the_bound(parts: WorkerParts) -> None:
    await parts.durable_state.reconcile()
    other = WorkerParts(parts.redis, parts.mailstore)
    await asyncio.gather(*(each.durable_state.reserve_references(n) for n in range(1, 5) for each in (parts, other)))
    kept = int((parts.mailstore.folder / ".tubepost" / "references").read_text())
    assert kept == int(await parts.redis.get(keys.REFERENCE_BOUND))


# --- tombstones -----------------------------------------------------------------------------------------------------


async def test_removed_mail_stays_removed_after_a_total_loss(parts: WorkerParts) -> None:
    other = mail("<other>")
    for raw in (RAW, other):
        await parts.intake.put(raw, origin(raw))
    await parts.remove(ID)
    await parts.redis.flushall()
    fresh = WorkerParts(parts.redis, parts.mailstore)
    assert (await fresh.intake.put(RAW, origin(RAW))).outcome == "gone"
    tombstone = json.loads(await parts.redis.get(keys.gone(ID)))
    assert tombstone["why"] == "asked for"
    assert await lost(fresh.intake) == 1


async def test_a_redis_emptied_under_a_running_process_takes_no_mail_before_its_tombstones_are_back(
    parts: WorkerParts,
) -> None:
    await parts.intake.put(RAW, origin(RAW))
    await parts.remove(ID)
    await parts.redis.flushall()
    with pytest.raises(StoreUnavailableError, match="came back without its data"):
        await parts.intake.put(RAW, origin(RAW))
    assert (await parts.intake.put(RAW, origin(RAW))).outcome == "gone"


async def test_an_item_that_came_back_with_an_older_redis_is_removed_again(parts: WorkerParts) -> None:
    await parts.durable_state.reconcile()
    await parts.store.publish(IDS[0], "claims", machine())
    await parts.remove(IDS[0])
    await parts.redis.delete(keys.gone(IDS[0]))
    await parts.store.publish(IDS[0], "claims", machine())  # as it was in the older append-only file
    await parts.durable_state.reapply_removals()
    with pytest.raises(NotFoundError):
        await parts.store.get(IDS[0])
    assert await parts.redis.exists(keys.gone(IDS[0]))


async def test_an_older_redis_restored_during_a_removal_does_not_keep_the_item(parts: WorkerParts) -> None:
    await parts.durable_state.reconcile()
    await parts.store.publish(IDS[0], "claims", machine())
    before = await parts.redis.dump(keys.item(IDS[0]))
    assert await parts.removal.remove(IDS[0], who="ann", why="asked for")
    await parts.redis.delete(keys.gone(IDS[0]), keys.REMOVING)
    await parts.redis.restore(keys.item(IDS[0]), 0, before)
    await parts.removal.finish([IDS[0]])
    with pytest.raises(NotFoundError):
        await parts.store.get(IDS[0])
    assert await parts.redis.exists(keys.gone(IDS[0]))
    assert IDS[0] in (parts.mailstore.folder / ".tubepost" / "gone").read_text()


async def test_a_tombstone_that_a_full_disk_refused_does_not_count_as_stored(parts: WorkerParts) -> None:
    await parts.durable_state.reconcile()
    await parts.durable_state.record_tombstones([{"id": IDS[0]}])
    there = (parts.mailstore.folder / ".tubepost" / "gone").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (there + 10, before[1]))
    try:
        with pytest.raises(StoreUnavailableError):
            await parts.durable_state.record_tombstones([{"id": IDS[1]}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    await parts.durable_state.record_tombstones([{"id": IDS[2]}])
    await parts.durable_state.reapply_removals()
    assert [await parts.redis.exists(keys.gone(each)) for each in IDS[:3]] == [1, 0, 1]


async def test_a_redis_that_forgot_what_it_removed_rewrites_its_append_only_file(parts: WorkerParts) -> None:
    await parts.durable_state.reconcile()
    await parts.durable_state.reapply_removals()
    assert not await parts.redis.exists(keys.RETENTION), "nothing was ever removed"
    await parts.store.publish(IDS[0], "claims", machine())
    await parts.remove(IDS[0])
    await parts.redis.delete(keys.RETENTION)
    await parts.durable_state.reapply_removals()
    assert await parts.redis.hexists(keys.RETENTION, "removed")


async def test_a_truncated_line_does_not_hide_the_next(parts: WorkerParts) -> None:
    await parts.durable_state.reconcile()
    await parts.durable_state.record_tombstones([{"id": IDS[0]}, {"id": IDS[1]}])
    with (parts.mailstore.folder / ".tubepost" / "gone").open("ab") as file:
        file.write(b'{"id":"wi_')
    await parts.durable_state.record_tombstones([{"id": IDS[2]}])
    await parts.durable_state.reapply_removals()
    assert [bool(await parts.redis.exists(keys.gone(each))) for each in IDS[:4]] == [True, True, True, False]


# --- the mail store -------------------------------------------------------------------------------------------------


async def test_everything_waits_for_a_disk_that_is_not_mounted_and_the_error_says_what_to_do(
    parts: WorkerParts, tmp_path: Path
) -> None:
    await parts.intake.put(RAW, origin(RAW))
    away = tmp_path / "away"
    parts.mailstore.folder.rename(away)
    for step in (parts.intake.put(mail("<2>"), origin(mail("<2>"))), parts.mailstore.get_raw_mails(ID)):
        with pytest.raises(StoreUnavailableError, match="not mounted"):
            await step
    started = WorkerParts(parts.redis, MailStore(parts.mailstore.folder))
    with pytest.raises(StoreUnavailableError, match=r"mount its disk.*write \w{32} into"):
        await started.intake.put(RAW, origin(RAW))
    assert not parts.mailstore.folder.exists(), "nothing is written where the disk should be"
    away.rename(parts.mailstore.folder)
    assert (await started.intake.put(RAW, origin(RAW))).outcome == "duplicate"
    assert (await parts.mailstore.get_raw_mails(ID))[0].raw == RAW


async def test_a_mail_store_that_redis_does_not_know_is_refused_until_it_is_confirmed(
    parts: WorkerParts, tmp_path: Path
) -> None:
    known = await parts.durable_state.reconcile()
    other = WorkerParts(parts.redis, MailStore(tmp_path / "other"))
    with pytest.raises(StoreUnavailableError, match=known):
        await other.intake.put(RAW, origin(RAW))
    marker = tmp_path / "other" / ".tubepost" / "store"
    marker.parent.mkdir(parents=True)
    marker.write_text(f"{known}\n")
    assert (await other.intake.put(RAW, origin(RAW))).outcome == "new"


async def test_while_a_restore_is_not_complete_everything_waits_and_the_error_says_what_to_do(
    parts: WorkerParts,
) -> None:
    store_id = await parts.durable_state.reconcile()
    await parts.redis.set(keys.RESTORING, "a backup")
    fresh = WorkerParts(parts.redis, parts.mailstore)
    for work in (fresh.durable_state.reconcile, fresh.durable_state.identify, fresh.durable_state.compare_store_ids):
        with pytest.raises(StoreUnavailableError, match=r"not complete.*run it again \(run\.py restore DIR\)"):
            await work()
    await parts.redis.set(keys.REPAIRED, "a run")
    with pytest.raises(StoreUnavailableError, match=r"programs have worked with this Redis.*remove its key"):
        await fresh.durable_state.reconcile()
    await parts.redis.delete(keys.RESTORING)
    assert await fresh.durable_state.reconcile() == store_id


async def test_a_restore_that_begins_while_a_program_starts_keeps_the_store_of_its_backup(
    parts: WorkerParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    reapply = parts.durable_state.reapply_removals

    async def begin_restore() -> None:
        await reapply()
        await parts.redis.mset({keys.RESTORING: "a backup", keys.STORE: "its store"})

    monkeypatch.setattr(parts.durable_state, "reapply_removals", begin_restore)
    with pytest.raises(StoreUnavailableError, match="is not complete"):
        await parts.durable_state.reconcile()
    assert await parts.redis.get(keys.STORE) == b"its store"


async def test_processes_that_start_together_agree(redis: RedisClient, mailstore: MailStore) -> None:
    all_parts = [WorkerParts(redis, mailstore) for _ in range(5)]
    found = await asyncio.gather(*(parts.durable_state.reconcile() for parts in all_parts))
    assert len(set(found)) == 1
    assert await redis.get(keys.STORE) == found[0].encode()
    generation = await redis.get(keys.GENERATION)
    await WorkerParts(redis, mailstore).durable_state.reconcile()
    assert await redis.get(keys.GENERATION) == generation
    await redis.delete(keys.STORE)
    await WorkerParts(redis, mailstore).durable_state.reconcile()
    assert await redis.get(keys.GENERATION) not in (generation, None)


@pytest.mark.parametrize(
    ("command", "holds"),
    [
        (("SET", keys.STORE, b"\xff\x00"), r"it holds b'\\xff\\x00' \(2 bytes\)"),
        (("SET", keys.STORE, "x" * 5000), r"it holds b'x{32}' \(5000 bytes\)"),
        (("SET", keys.STORE, "two\nlines"), "it holds"),
        (("SADD", keys.STORE, "x"), r"it holds no text \(.*WRONGTYPE"),
    ],
)
async def test_a_foreign_value_in_the_place_of_the_stores_id_is_named_and_so_is_what_is_accepted(
    parts: WorkerParts, command: tuple[Any, ...], holds: str
) -> None:
    await parts.redis.execute_command(*command)
    state = parts.durable_state
    for step in (state.compare_store_ids(), state.identify(), state.reconcile(), parts.intake.put(RAW, origin(RAW))):
        with pytest.raises(MailStoreUnavailableError, match=f"(?s){keys.STORE}.*{holds}.*accepted is an id.*remove it"):
            await step
    assert not parts.mailstore.folder.exists(), "nothing is written"


async def test_a_foreign_generation_ends_nothing(parts: WorkerParts) -> None:
    await parts.durable_state.reconcile()
    await parts.redis.set(keys.GENERATION, b"\xff")
    assert await parts.durable_state.read_generation() == "\ufffd"
    await WorkerParts(parts.redis, parts.mailstore).durable_state.reconcile()


# --- the start of reading of a folder -------------------------------------------------------------------------------


async def test_the_start_of_reading_of_a_folder_survives_a_total_loss(parts: WorkerParts) -> None:
    await parts.durable_state.reconcile()
    first = Checkpoint(7, 41, since=date(2026, 3, 1))
    later = Checkpoint(8, 99, since=date(2026, 4, 1))
    assert await parts.durable_state.record_start("claims", "INBOX", first) == first
    await parts.redis.flushall()
    again = WorkerParts(parts.redis, parts.mailstore).durable_state
    assert await again.record_start("claims", "INBOX", later) == first
    assert await again.record_start("claims", "Orders/Ünï", later) == later
    assert await again.record_start("orders", "INBOX", replace(later, since=None, below=3)) == Checkpoint(
        8, 99, None, 3
    )


async def test_an_invalid_start_of_reading_counts_as_none(parts: WorkerParts) -> None:
    await parts.durable_state.reconcile()
    first = Checkpoint(7, 41)
    await parts.durable_state.record_start("claims", "INBOX", first)
    (path,) = (parts.mailstore.folder / ".tubepost").glob("start-*")
    path.write_bytes(b"{")
    assert await parts.durable_state.record_start("claims", "INBOX", replace(first, uid=50)) == replace(first, uid=50)

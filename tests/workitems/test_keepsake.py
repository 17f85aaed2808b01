"""What a total loss of Redis must not take with it."""

import asyncio
import json
import resource
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.workitems.corridor import ID, RAW, lost
from tests.workitems.samples import IDS, machine, mail, origin
from workitems import keys
from workitems.errors import NotFoundError, StoreUnavailableError
from workitems.intake import Intake
from workitems.keepsake import BLOCK, Keepsake
from workitems.mailbox import Checkpoint
from workitems.mailstore import MailStore
from workitems.redis import Client
from workitems.store import Store


class House:
    """The parts as a worker puts them together; a new one is a new process."""

    def __init__(self, redis: Client, mailstore: MailStore) -> None:
        self.redis = redis
        self.mailstore = mailstore
        self.keepsake = Keepsake(redis, mailstore, history=1000)
        self.removal = self.keepsake.removal
        self.intake = Intake(redis, mailstore, most=50, settle=self.keepsake.settle)
        self.store = Store(redis, history=1000, reserve=self.keepsake.reserve)

    async def reference(self, n: int) -> int:
        published = await self.store.publish(f"wi_{n:026d}", "claims", machine(f"{n}"))
        assert published.item
        return int(published.item.submission_ref[-6:])

    async def remove(self, item_id: str) -> None:
        assert await self.removal.remove(item_id, who="ann", why="asked for")
        await self.removal.finish([item_id])


@pytest.fixture
def house(redis: Client, mailstore: MailStore) -> House:
    return House(redis, mailstore)


# --- references -----------------------------------------------------------------------------------------------------


async def test_references_begin_at_one_and_are_dense(house: House) -> None:
    assert [await house.reference(n) for n in range(5)] == [1, 2, 3, 4, 5]


async def test_mails_that_are_published_at_once_reserve_numbers_once_and_pass_none(house: House) -> None:
    given = await asyncio.gather(*(house.reference(n) for n in range(100)))
    assert sorted(given) == list(range(1, 101))
    assert int((house.mailstore.folder / ".tubepost" / "references").read_text()) <= 2 * BLOCK


async def test_no_reference_is_given_twice_after_a_total_loss(house: House) -> None:
    before = [await house.reference(n) for n in range(3)]
    for life in range(3):
        await house.redis.flushall()
        house = House(house.redis, house.mailstore)
        fresh = [await house.reference(n) for n in range(3)]
        assert min(fresh) > max(before)
        assert fresh[0] <= (life + 1) * 2 * BLOCK + 1_003, "few numbers are passed over"
        before = fresh


async def test_the_next_numbers_are_kept_before_one_of_them_is_given(house: House) -> None:
    path = house.mailstore.folder / ".tubepost" / "references"
    assert await house.reference(1) == 1
    assert int(path.read_text()) == BLOCK + 1
    await house.redis.set(keys.PREFIX + "reference:n", BLOCK)
    assert await house.reference(2) == BLOCK + 1
    assert int(path.read_text()) == BLOCK + 1
    assert await house.reference(3) == BLOCK + 2
    assert int(path.read_text()) == 2 * BLOCK + 2


async def test_a_redis_that_came_back_with_less_goes_on_above_all_that_was_given(house: House) -> None:
    assert await house.reference(1) == 1
    await house.redis.set(keys.PREFIX + "reference:n", 5 * BLOCK)
    given = await house.reference(2)
    for n, (counter, most) in enumerate([(5, BLOCK + 1), (BLOCK, BLOCK + 1), (0, 0)]):
        await house.redis.mset({keys.PREFIX + "reference:n": counter, keys.REFERENCE_MOST: most})
        await house.redis.set(keys.FEED_RUN, "another")
        fresh = await house.reference(n + 3)
        assert fresh > given
        given = fresh


async def test_two_processes_that_reserve_at_once_lower_nothing(house: House) -> None:
    await house.keepsake.settle()
    other = House(house.redis, house.mailstore)
    await asyncio.gather(*(each.keepsake.reserve(n) for n in range(1, 5) for each in (house, other)))
    kept = int((house.mailstore.folder / ".tubepost" / "references").read_text())
    assert kept == int(await house.redis.get(keys.REFERENCE_MOST))


# --- tombstones -----------------------------------------------------------------------------------------------------


async def test_removed_mail_stays_removed_after_a_total_loss(house: House) -> None:
    other = mail("<other>")
    for raw in (RAW, other):
        await house.intake.put(raw, origin(raw))
    await house.remove(ID)
    await house.redis.flushall()
    fresh = House(house.redis, house.mailstore)
    assert (await fresh.intake.put(RAW, origin(RAW))).outcome == "gone"
    tombstone = json.loads(await house.redis.get(keys.gone(ID)))
    assert tombstone["why"] == "asked for"
    assert await lost(fresh.intake) == 1


async def test_a_redis_emptied_under_a_running_process_takes_no_mail_before_it_knows_what_was_removed(
    house: House,
) -> None:
    await house.intake.put(RAW, origin(RAW))
    await house.remove(ID)
    await house.redis.flushall()
    with pytest.raises(StoreUnavailableError, match="told again"):
        await house.intake.put(RAW, origin(RAW))
    assert (await house.intake.put(RAW, origin(RAW))).outcome == "gone"


async def test_an_item_that_came_back_with_an_older_redis_is_removed_again(house: House) -> None:
    await house.keepsake.settle()
    await house.store.publish(IDS[0], "claims", machine())
    await house.remove(IDS[0])
    await house.redis.delete(keys.gone(IDS[0]))
    await house.store.publish(IDS[0], "claims", machine())  # as it stood in the older append-only file
    await house.keepsake.restore()
    with pytest.raises(NotFoundError):
        await house.store.get(IDS[0])
    assert await house.redis.exists(keys.gone(IDS[0]))


async def test_an_older_redis_in_the_midst_of_a_removal_does_not_keep_the_item(house: House) -> None:
    await house.keepsake.settle()
    await house.store.publish(IDS[0], "claims", machine())
    before = await house.redis.dump(keys.item(IDS[0]))
    assert await house.removal.remove(IDS[0], who="ann", why="asked for")
    await house.redis.delete(keys.gone(IDS[0]), keys.REMOVING)
    await house.redis.restore(keys.item(IDS[0]), 0, before)
    await house.removal.finish([IDS[0]])
    with pytest.raises(NotFoundError):
        await house.store.get(IDS[0])
    assert await house.redis.exists(keys.gone(IDS[0]))
    assert IDS[0] in (house.mailstore.folder / ".tubepost" / "gone").read_text()


async def test_a_tombstone_for_which_the_disk_has_no_room_left_is_not_taken_for_kept(house: House) -> None:
    await house.keepsake.settle()
    await house.keepsake.bury([{"id": IDS[0]}])
    there = (house.mailstore.folder / ".tubepost" / "gone").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (there + 10, before[1]))
    try:
        with pytest.raises(StoreUnavailableError):
            await house.keepsake.bury([{"id": IDS[1]}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    await house.keepsake.bury([{"id": IDS[2]}])
    await house.keepsake.restore()
    assert [await house.redis.exists(keys.gone(each)) for each in IDS[:3]] == [1, 0, 1]


async def test_a_line_that_was_cut_off_hides_no_other(house: House) -> None:
    await house.keepsake.settle()
    await house.keepsake.bury([{"id": IDS[0]}, {"id": IDS[1]}])
    with (house.mailstore.folder / ".tubepost" / "gone").open("ab") as file:
        file.write(b'{"id":"wi_')
    await house.keepsake.bury([{"id": IDS[2]}])
    await house.keepsake.restore()
    assert [bool(await house.redis.exists(keys.gone(each))) for each in IDS[:4]] == [True, True, True, False]


# --- the mail store -------------------------------------------------------------------------------------------------


async def test_a_disk_that_is_not_mounted_makes_everything_wait_and_says_what_to_do(
    house: House, tmp_path: Path
) -> None:
    await house.intake.put(RAW, origin(RAW))
    away = tmp_path / "away"
    house.mailstore.folder.rename(away)
    for step in (house.intake.put(mail("<2>"), origin(mail("<2>"))), house.mailstore.get(ID)):
        with pytest.raises(StoreUnavailableError, match="not mounted"):
            await step
    started = House(house.redis, MailStore(house.mailstore.folder))
    with pytest.raises(StoreUnavailableError, match=r"mount its disk.*write \w{32} into"):
        await started.intake.put(RAW, origin(RAW))
    assert not house.mailstore.folder.exists(), "nothing is written where the disk should be"
    away.rename(house.mailstore.folder)
    assert (await started.intake.put(RAW, origin(RAW))).outcome == "duplicate"
    assert (await house.mailstore.get(ID))[0].raw == RAW


async def test_another_store_than_the_one_that_redis_knows_is_refused_until_somebody_says_so(
    house: House, tmp_path: Path
) -> None:
    known = await house.keepsake.settle()
    other = House(house.redis, MailStore(tmp_path / "other"))
    with pytest.raises(StoreUnavailableError, match=known):
        await other.intake.put(RAW, origin(RAW))
    marker = tmp_path / "other" / ".tubepost" / "store"
    marker.parent.mkdir(parents=True)
    marker.write_text(f"{known}\n")
    assert (await other.intake.put(RAW, origin(RAW))).outcome == "new"


async def test_processes_that_start_together_agree(redis: Client, mailstore: MailStore) -> None:
    houses = [House(redis, mailstore) for _ in range(5)]
    found = await asyncio.gather(*(house.keepsake.settle() for house in houses))
    assert len(set(found)) == 1
    assert await redis.get(keys.STORE) == found[0].encode()


# --- where the reading of a folder began ----------------------------------------------------------------------------


async def test_where_a_folder_was_first_seen_is_known_after_a_total_loss(house: House) -> None:
    await house.keepsake.settle()
    first = Checkpoint(7, 41, since=date(2026, 3, 1))
    later = Checkpoint(8, 99, since=date(2026, 4, 1))
    assert await house.keepsake.first_sight("claims", "INBOX", first) == first
    await house.redis.flushall()
    again = House(house.redis, house.mailstore).keepsake
    assert await again.first_sight("claims", "INBOX", later) == first
    assert await again.first_sight("claims", "Orders/Ünï", later) == later
    assert await again.first_sight("orders", "INBOX", replace(later, since=None, below=3)) == Checkpoint(8, 99, None, 3)


async def test_a_note_that_cannot_be_understood_counts_as_none(house: House) -> None:
    await house.keepsake.settle()
    first = Checkpoint(7, 41)
    await house.keepsake.first_sight("claims", "INBOX", first)
    (path,) = (house.mailstore.folder / ".tubepost").glob("start-*")
    path.write_bytes(b"{")
    assert await house.keepsake.first_sight("claims", "INBOX", replace(first, uid=50)) == replace(first, uid=50)

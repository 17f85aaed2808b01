"""What is backed up while everything runs comes back: nothing lost, nothing twice, nothing empty."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.workitems.backup.conftest import Installation
from tests.workitems.samples import IDS, everything, machine
from workitems.backup.redis_export import DROPPED, ITEMS_AT_ONCE, export_keys
from workitems.base import keys
from workitems.feed import feed
from workitems.mailboxes.checkpoint import Checkpoint
from workitems.mailboxes.lease import Lease
from workitems.queue.change import ItemChange
from workitems.queue.submissions import Submissions


def kept(url: str) -> dict[bytes, Any]:
    """Return what must be the same after a restore."""
    dropped = tuple(keys.PREFIX + each for each in (*DROPPED[1:], "feed:"))
    return {
        key: value for key, value in everything(url).items()
        if key != keys.FEED.encode() and (not key.decode("latin-1").startswith(dropped) or key == keys.STORE.encode())
    }  # fmt: skip


def meanwhile(what: str, work: Callable[[], Awaitable[Any]]) -> Callable[[str, int, int], None]:
    """Return a `progress` that does *work* on the test's loop when the backup first shows *what*."""
    loop, done = asyncio.get_running_loop(), threading.Event()

    def progress(shown: str, *_: int) -> None:
        if shown == what and not done.is_set():
            done.set()

            async def do() -> None:
                await work()

            asyncio.run_coroutine_threadsafe(do(), loop).result(30)

    return progress


async def test_items_peoples_work_and_all_that_belongs_to_them_come_back(
    old: Installation, new: Installation, folder: Path
) -> None:
    ids = [await old.put(n, folder="INBOX", uidvalidity=7, uid=n) for n in range(1, 2 * ITEMS_AT_ONCE + 3)]
    await old.read()
    await old.store.change(ids[0], ItemChange(status="waiting", fields={"policy_number": "AB-1"}), who="ann")
    await old.store.change(ids[1], ItemChange(status="done", assignee="ben"), who="ben")
    await old.store.publish(IDS[0], "claims", machine("not read"), quarantined=True)
    await old.erase(ids[2])
    merged = [await old.store.get(each) for each in ids[3:5]]
    submissions = Submissions(old.redis, old.store, max_events=1000)
    await submissions.merge(merged[0].submission_id, merged[1].submission_id, who="ann")
    await old.redis.hset(keys.mailbox("claims"), mapping={"uidvalidity": 7, "uid": 40, "unfetched": "3,4"})
    await old.redis.hset(keys.USERS, "ann", '{"role":"admin"}')
    await old.redis.hset(keys.API_KEYS, "digest", '{"name":"crm"}')
    await old.redis.set(keys.posted("abc"), b"\xff not text \x00", pxat=4_000_000_000_000)
    await old.redis.zadd(keys.after("claims"), {f'["INBOX",7,{n}]': n for n in range(2000)})
    await old.back_up(folder)
    await new.restore(folder)
    assert kept(new.url) == kept(old.url)
    assert abs(await new.redis.pttl(keys.posted("abc")) - await old.redis.pttl(keys.posted("abc"))) < 60_000
    assert await new.repair() == 0
    assert await new.store.history(ids[0]) == await old.store.history(ids[0])


async def test_leases_entries_and_heartbeats_do_not_come_back_and_mail_that_waited_is_put_again_once(
    old: Installation, new: Installation, folder: Path
) -> None:
    read = await old.put(1)
    await old.read()
    waits = await old.put(2)
    variant = await old.put(1, "Other bytes.")
    assert variant == read
    await Lease(old.redis, "claims", "worker-1", ttl_seconds=600).acquire()
    await old.redis.hset(keys.WORKERS, "worker-1", "{}")
    await old.redis.hset(keys.SERVERS, "server-1", "{}")
    await old.redis.set(keys.REPAIRED, "a run")
    await old.redis.set(keys.alarm("disk"), "1")
    await old.back_up(folder)
    await new.restore(folder)
    for key in (keys.lease("claims"), keys.WORKERS, keys.SERVERS, keys.REPAIRED, keys.INTAKE, keys.alarm("disk")):
        assert not await new.redis.exists(key)
    assert not await new.redis.exists(keys.RESTORING)
    assert await new.repair() == 2
    assert await new.repair() == 0
    await new.read()
    assert {item.id for item in (await new.store.list_items()).items} == {read, waits}
    assert len(await new.mailstore.get_raw_mails(read)) == 2


async def test_a_cursor_of_the_old_feed_is_no_cursor_of_the_new_one(
    old: Installation, new: Installation, folder: Path
) -> None:
    await old.put(1)
    await old.read()
    cursor = await feed.head(old.redis)
    reference = (await old.store.list_items()).items[0].submission_ref
    await old.back_up(folder)
    await new.restore(folder)
    assert await feed.check_continuity(new.redis, cursor) == "epoch"
    await new.repair()
    await new.put(2)
    await new.read()
    assert await feed.check_continuity(new.redis, cursor)
    assert (await feed.head(new.redis)).epoch > cursor.epoch
    assert min(item.submission_ref for item in (await new.store.list_items()).items) == reference


async def test_a_mail_that_is_published_while_items_are_exported_is_there_once_and_whole(
    old: Installation, new: Installation, folder: Path
) -> None:
    ids = {await old.put(n) for n in range(30)}
    await old.read()

    async def publish() -> None:
        ids.update([await old.put(n) for n in range(30, 60)])
        await old.read()

    await old.back_up(folder, meanwhile("items", publish))
    await new.restore(folder)
    await new.repair()
    await new.read()
    assert len(ids) == 60
    assert {item.id for item in (await new.store.list_items(limit=200)).items} == ids
    for item_id in ids:
        assert len(await new.mailstore.get_raw_mails(item_id)) == 1


async def test_what_is_removed_while_a_backup_is_made_does_not_come_back_empty(
    old: Installation, new: Installation, folder: Path
) -> None:
    for what in ("items", "other keys", "files"):
        ids = [await old.put(n) for n in range(5)]
        await old.read()
        await old.back_up(folder, meanwhile(what, lambda doomed=ids[3]: old.erase(doomed)))  # type: ignore[misc]
        await new.redis.flushall()
        again = Installation(new.url, new.settings.data.with_name(f"new-{what}"))
        await again.restore(folder)
        await again.repair()
        await again.read()
        assert {item.id for item in (await again.store.list_items()).items} == set(ids) - {ids[3]}, what
        assert await again.redis.exists(keys.gone(ids[3])), what
        await again.close()
        await old.redis.delete(keys.gone(ids[3]))
        (old.settings.mail_folder / ".tubepost" / "gone").unlink()


async def test_mail_below_a_checkpoint_is_in_the_backup(old: Installation, new: Installation, folder: Path) -> None:
    """It would never be fetched again."""
    arrived = await old.put(1)
    await old.redis.hset(keys.mailbox("claims"), mapping={"uidvalidity": 7, "uid": 1})
    exported: list[str] = []

    async def arrive() -> None:
        exported.append(await old.put(2))
        await old.redis.hset(keys.mailbox("claims"), "uid", 2)

    await old.back_up(folder, meanwhile("other keys", arrive))
    await new.restore(folder)
    assert await new.repair() == 2
    await new.read()
    assert [len(await new.mailstore.get_raw_mails(each)) for each in (arrived, *exported)] == [1, 1]


async def test_a_folder_that_was_first_seen_keeps_where_reading_began(
    old: Installation, new: Installation, folder: Path
) -> None:
    await old.put(1)
    await old.durable_state.record_start("claims", "INBOX", Checkpoint(7, 41, None, 0))
    await old.back_up(folder)
    await new.restore(folder)
    assert (await new.durable_state.record_start("claims", "INBOX", Checkpoint(7, 99, None, 0))).uid == 41


async def test_a_reading_and_its_time_come_back(old: Installation, new: Installation, folder: Path) -> None:
    item_id = await old.put(1)
    await old.read()
    path = await old.mailstore.raw_path(item_id)
    await old.back_up(folder)
    await new.restore(folder)
    assert await new.mailstore.get_reading(item_id) == {}
    assert (await new.mailstore.raw_path(item_id)).stat().st_mtime_ns == path.stat().st_mtime_ns


async def test_users_are_exported_in_one_step_with_their_revision(old: Installation) -> None:
    await old.redis.hset(keys.USERS, mapping={"": "7", **{f"user{n}": "{}" for n in range(2000)}})
    values = [record["value"] async for record in export_keys(old.redis) if record["key"] == "users"]
    assert [len(value) for value in values] == [2 * 2001]

"""An entry of the feed that cannot be decoded is skipped, counted and logged; readers get everything else."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from tests.support.redis_server import RedisServer
from tests.workitems.continuity import is_continuous
from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import START_CURSOR, Cursor
from workitems.feed.undecodable import UndecodableEntries
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore
from workitems.retention.removal import Removal

DATA = b'{"event":"new_workitem","data":{"id":"secret"}}'

BROKEN: dict[str, dict[str, bytes]] = {
    "no field that we know": {"colour": b"blue"},
    "data is no JSON object": {"id": b"wi_x", "data": b"secret"},
    "data is no event": {"id": b"wi_x", "data": b"{}"},
    "data was cut off": {"id": b"wi_x", "data": DATA[:-1]},
    "data is no UTF-8": {"id": b"wi_x", "data": DATA.replace(b"secret", b"\xff")},
    "mailbox is no UTF-8": {"id": b"wi_x", "data": DATA, "mailbox": b"secret \xff"},
    "status is no UTF-8": {"id": b"wi_x", "data": DATA, "status": b"\xff"},
    "previous status is no UTF-8": {"id": b"wi_x", "data": DATA, "was": b"\xff"},
    "item id is no UTF-8": {"data": DATA, "id": b"\xff"},
    "time is no number": {"id": b"wi_x", "data": DATA, "at": b"secret"},
    "time is negative": {"id": b"wi_x", "data": DATA, "at": b"-1"},
    "time is larger than a float": {"id": b"wi_x", "data": DATA, "at": b"9" * 400},
    "time has more digits than Python reads": {"id": b"wi_x", "data": DATA, "at": b"9" * 5000},
}


@pytest.fixture(autouse=True)
def undecodable(monkeypatch: pytest.MonkeyPatch) -> UndecodableEntries:
    """Reset the record of undecodable entries, as in a new process."""
    record = UndecodableEntries()
    monkeypatch.setattr(feed, "undecodable", record)
    return record


async def add(redis: RedisClient, fields: dict[str, bytes], entry_id: str = "") -> Cursor:
    """Write an invalid entry; without *entry_id* at the next number of the epoch."""
    last = await feed.head(redis)
    found = await redis.xadd(keys.FEED, fields, id=entry_id or f"{last.epoch}-{last.n + 1}")
    return Cursor.parse(found) or START_CURSOR


@pytest.mark.parametrize("broken", BROKEN)
async def test_every_reader_skips_it_without_a_gap(redis: RedisClient, store: ItemStore, broken: str) -> None:
    await store.publish(IDS[0], "claims", machine())
    first = await feed.head(redis)
    bad = await add(redis, BROKEN[broken])
    await store.publish(IDS[1], "claims", machine())
    last = await feed.head(redis)
    reads = [
        await feed.read_events(redis, START_CURSOR),
        await feed.wait_for_events(redis, START_CURSOR, block_seconds=0.01),
        await feed.read_newest(redis, 3),
    ]
    for events in reads:
        assert [event.cursor for event in events] == [first, bad, last]
        assert [event.item_id for event in events if event.data] == [IDS[0], IDS[1]]
        assert is_continuous(START_CURSOR, events)
    for cursor in (START_CURSOR, first, bad, last):
        assert await feed.check_continuity(redis, cursor) is None
        assert is_continuous(cursor, await feed.read_events(redis, cursor))


@pytest.mark.parametrize("broken", BROKEN)
async def test_it_is_counted_and_logged_once_with_its_id_and_no_content(
    redis: RedisClient, store: ItemStore, undecodable: UndecodableEntries, broken: str
) -> None:
    await store.publish(IDS[0], "claims", machine())
    bad = await add(redis, BROKEN[broken])
    with capture_logs() as logs:
        for _ in range(3):
            await feed.read_events(redis, START_CURSOR)
    assert undecodable.count == 1
    (line,) = logs
    assert line["log_level"] == "warning"
    assert line["entry"] == str(bad)
    assert "secret" not in str(line)


async def test_the_oldest_entry_and_the_only_one_may_be_broken(redis: RedisClient, store: ItemStore) -> None:
    bad = await add(redis, BROKEN["no field that we know"], "1763811111111-1")
    assert await feed.check_continuity(redis, bad) is None
    assert [event.data for event in await feed.read_newest(redis, 5)] == [b""]
    await store.publish(IDS[0], "claims", machine())
    assert is_continuous(bad, await feed.read_events(redis, bad))


async def test_an_entry_that_a_person_added_with_an_id_by_redis_is_no_gap(redis: RedisClient, store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine())
    first = await feed.head(redis)
    bad = [await add(redis, {"colour": b"blue"}, "*") for _ in range(2)]
    await store.publish(IDS[1], "claims", machine())
    for cursor in (START_CURSOR, first, *bad):
        assert await feed.check_continuity(redis, cursor) is None
        assert is_continuous(cursor, await feed.read_events(redis, cursor))
        assert is_continuous(cursor, await feed.wait_for_events(redis, cursor, block_seconds=0.01))
    newest = await feed.read_newest(redis, 10)
    assert is_continuous(START_CURSOR, newest)
    await redis.xtrim(keys.FEED, minid=str(bad[0]), approximate=False)
    assert not is_continuous(first, await feed.read_events(redis, first)), "events before it may have been lost"


async def test_an_epoch_still_continues_when_its_first_entry_is_broken(redis: RedisClient, store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine())
    old = await feed.head(redis)
    await add(redis, {"data": b"broken", "prev": str(old).encode()}, f"{old.epoch + 1}-1")
    assert is_continuous(old, await feed.read_events(redis, old))
    await redis.xtrim(keys.FEED, minid=f"{old.epoch + 1}-1", approximate=False)
    assert await feed.check_continuity(redis, old) is None


async def test_an_item_is_erased_although_other_entries_are_broken(
    redis: RedisClient, store: ItemStore, mailstore: MailStore
) -> None:
    for name, fields in BROKEN.items():
        await store.publish(IDS[0], "claims", machine(name))
        await add(redis, fields)
    await store.publish(IDS[1], "claims", machine())
    removal = Removal(redis, mailstore, max_events=10_000)
    assert await removal.remove(IDS[0], who="ann", why="")
    await removal.finish([IDS[0]])
    events = await feed.read_events(redis, START_CURSOR)
    assert [event.item_id for event in events if event.data and not event.is_removal] == [IDS[1]]
    assert len(events) == 2 * len(BROKEN) + 2
    assert is_continuous(START_CURSOR, events)


async def test_publishing_continues_after_a_restart_of_redis(
    own_redis: RedisServer, client_of: Callable[..., RedisClient]
) -> None:
    redis = client_of(own_redis.url)
    await ItemStore(redis, max_events=100).publish(IDS[0], "claims", machine())
    bad = await add(redis, BROKEN["time is no number"])
    own_redis.kill()
    own_redis.start()
    redis = client_of(own_redis.url)
    await ItemStore(redis, max_events=100).publish(IDS[1], "claims", machine())
    events = await feed.read_events(redis, bad)
    assert [event.item_id for event in events] == [IDS[1]]
    assert is_continuous(bad, events)

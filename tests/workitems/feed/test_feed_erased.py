"""Events of removed items are erased, and a reader sees no gap in their place."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.workitems.continuity import is_continuous
from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.mailstore.store import MailStore
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore
from workitems.retention.removal import Removal


@pytest.fixture
def removal(redis: RedisClient, mailstore: MailStore) -> Removal:
    return Removal(redis, mailstore, max_events=10_000)


async def erased(removal: Removal, *items: str) -> None:
    for each in items:
        assert await removal.remove(each, who="ann", why="asked for")
    await removal.finish(items)


async def test_a_reader_sees_no_gap_where_events_were_erased(
    redis: RedisClient, store: ItemStore, removal: Removal
) -> None:
    before = [START_CURSOR]
    for n in (0, 1, 0, 2, 1, 1, 3):
        if n in (0, 1, 2, 3) and await redis.exists(keys.item(IDS[n])):
            await store.change(IDS[n], ItemChange(fields={"n": len(before)}), who="ben")
        else:
            await store.publish(IDS[n], "claims", machine())
        before.append(await feed.head(redis))
    await erased(removal, IDS[0], IDS[1])
    assert [bool(event.data) for event in await feed.read_events(redis, START_CURSOR)] == [False] * 3 + [
        True, False, False, True, True, True,
    ]  # fmt: skip
    for cursor in before:
        assert await feed.check_continuity(redis, cursor) is None
        assert is_continuous(cursor, await feed.read_events(redis, cursor))
        assert is_continuous(cursor, await feed.wait_for_events(redis, cursor, block_seconds=0.01))
    newest = await feed.read_newest(redis, 10)
    assert is_continuous(newest[0].cursor, newest[1:])
    pages = [await feed.read_events(redis, before[1], count=1)]
    while pages[-1]:
        pages.append(await feed.read_events(redis, pages[-1][-1].cursor, count=1))
    assert is_continuous(before[1], [event for page in pages for event in page])


async def test_an_event_lost_without_erasure_is_still_a_gap(
    redis: RedisClient, store: ItemStore, removal: Removal
) -> None:
    cursors = []
    for n in range(6):
        await store.publish(IDS[n], "claims", machine())
        cursors.append(await feed.head(redis))
    await erased(removal, IDS[1], IDS[3])
    await redis.xdel(keys.FEED, str(cursors[2]))
    assert not is_continuous(cursors[0], await feed.read_events(redis, cursors[0]))
    assert is_continuous(cursors[3], await feed.read_events(redis, cursors[3]))
    await redis.xtrim(keys.FEED, minid=str(cursors[4]), approximate=False)
    assert [await feed.check_continuity(redis, cursor) for cursor in [START_CURSOR, *cursors]] == [
        "trimmed", "trimmed", "trimmed", "trimmed", None, None, None,
    ]  # fmt: skip


async def test_an_epoch_still_continues_when_its_first_event_was_erased(
    redis: RedisClient, store: ItemStore, removal: Removal
) -> None:
    cursors = [START_CURSOR]
    for n in range(6):
        if n in (2, 4):
            await redis.set(keys.FEED_RUN, "another")
        await store.publish(IDS[n], "claims", machine())
        cursors.append(await feed.head(redis))
    assert len({cursor.epoch for cursor in cursors}) == 4
    await erased(removal, *IDS[:5])
    for cursor in cursors:
        assert await feed.check_continuity(redis, cursor) is None
        assert is_continuous(cursor, await feed.read_events(redis, cursor))


async def test_an_erased_event_is_gone_at_once(redis: RedisClient, store: ItemStore, removal: Removal) -> None:
    await store.publish(IDS[0], "claims", machine())
    await removal.remove(IDS[0], who="ann", why="")
    assert [event.is_removal for event in await feed.read_events(redis, START_CURSOR)] == [False, True]
    assert not await redis.exists(keys.events(IDS[0]))


async def test_the_content_of_a_trimmed_event_is_deleted_with_it(redis: RedisClient) -> None:
    store = ItemStore(redis, max_events=100)
    for n in range(250):
        await store.publish(f"wi_{n:026d}", "claims", machine())
    kept = {event.item_id for event in await feed.read_events(redis, START_CURSOR)}
    assert 100 <= len(kept) < 200
    assert {key.decode().rpartition(":")[2] for key in await redis.keys(keys.events("*"))} == kept


async def test_a_feed_with_a_lower_limit_shrinks_together_with_its_content(redis: RedisClient) -> None:
    for n in range(700):
        await ItemStore(redis, max_events=10_000).publish(f"wi_{n:026d}", "claims", machine())
    for n in range(700, 702):
        await ItemStore(redis, max_events=100).publish(f"wi_{n:026d}", "claims", machine())
    assert await redis.xlen(keys.FEED) == 100
    assert len(await redis.keys(keys.events("*"))) == 100


async def test_an_event_trimmed_during_a_read_is_a_gap_and_not_an_erased_event(
    redis: RedisClient, store: ItemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        await store.publish(IDS[n], "claims", machine())
    get_events = feed._get_events

    async def trimmed_before(*arguments: Any) -> Any:
        await redis.xtrim(keys.FEED, maxlen=3, approximate=False)
        await redis.delete(*(keys.events(item_id) for item_id in IDS[:3]))
        return await get_events(*arguments)

    monkeypatch.setattr(feed, "_get_events", trimmed_before)
    events = await feed.read_events(redis, START_CURSOR)
    assert [event.item_id for event in events] == IDS[3:6]
    assert not is_continuous(START_CURSOR, events)


async def test_no_byte_of_an_erased_event_is_left_in_the_feed(
    redis: RedisClient, store: ItemStore, removal: Removal
) -> None:
    for n in range(3):
        await store.publish(IDS[n], "claims", machine(f"subject-of-{n}"))
    await redis.config_set("rdbcompression", "no")
    head = await feed.head(redis)
    await erased(removal, IDS[1])
    dump = b"".join([await redis.dump(key) for key in await redis.keys("*")])
    assert b"subject-of-0" in dump
    assert b"subject-of-1" not in dump
    assert (await feed.head(redis)).n == head.n + 1


async def test_a_reader_that_waits_while_events_are_erased_gets_the_next_event(
    redis: RedisClient, make_redis: Callable[..., RedisClient], store: ItemStore, removal: Removal
) -> None:
    await store.publish(IDS[0], "claims", machine())
    await removal.remove(IDS[0], who="ann", why="")
    waiting = asyncio.create_task(
        feed.wait_for_events(make_redis(blocking=True), await feed.head(redis), block_seconds=5)
    )
    await asyncio.sleep(0)
    await removal.finish([IDS[0]])
    await store.publish(IDS[1], "claims", machine())
    assert [event.item_id for event in await waiting] == [IDS[1]]

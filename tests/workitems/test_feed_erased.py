"""Events of removed items are gone from the feed, and who reads on over them misses nothing."""

import asyncio
from collections.abc import Callable

import pytest

from tests.workitems.samples import IDS, machine
from tests.workitems.told import whole
from workitems import feed, keys
from workitems.event import START
from workitems.mailstore import MailStore
from workitems.redis import Client
from workitems.removal import Removal
from workitems.store import Change, Store


@pytest.fixture
def removal(redis: Client, mailstore: MailStore) -> Removal:
    return Removal(redis, mailstore, history=10_000)


async def erased(removal: Removal, *items: str) -> None:
    for each in items:
        assert await removal.remove(each, who="ann", why="asked for")
    await removal.finish(items)


async def test_who_reads_over_erased_events_misses_nothing(redis: Client, store: Store, removal: Removal) -> None:
    before = [START]
    for n in (0, 1, 0, 2, 1, 1, 3):
        if n in (0, 1, 2, 3) and await redis.exists(keys.item(IDS[n])):
            await store.change(IDS[n], Change(fields={"n": len(before)}), who="ben")
        else:
            await store.publish(IDS[n], "claims", machine())
        before.append(await feed.head(redis))
    await erased(removal, IDS[0], IDS[1])
    assert await redis.hlen(keys.FEED_ERASED) == 5
    for cursor in before:
        assert await feed.continuity(redis, cursor) is None
        assert whole(cursor, await feed.between(redis, cursor))
        assert whole(cursor, await feed.follow(redis, cursor, seconds=0.01))
    newest = await feed.newest(redis, 10)
    assert whole(newest[0].cursor, newest[1:])
    pages = [await feed.between(redis, before[1], count=1)]
    while pages[-1]:
        pages.append(await feed.between(redis, pages[-1][-1].cursor, count=1))
    assert whole(before[1], [event for page in pages for event in page])


async def test_what_was_lost_otherwise_is_still_a_gap(redis: Client, store: Store, removal: Removal) -> None:
    cursors = []
    for n in range(6):
        await store.publish(IDS[n], "claims", machine())
        cursors.append(await feed.head(redis))
    await erased(removal, IDS[1], IDS[3])
    await redis.xdel(keys.FEED, str(cursors[2]))
    assert not whole(cursors[0], await feed.between(redis, cursors[0]))
    assert whole(cursors[3], await feed.between(redis, cursors[3]))
    await redis.xtrim(keys.FEED, minid=str(cursors[4]), approximate=False)
    assert [await feed.continuity(redis, cursor) for cursor in [START, *cursors]] == [
        "trimmed", "trimmed", "trimmed", None, None, None, None,
    ]  # fmt: skip


async def test_an_erased_border_between_two_lives_of_redis_still_joins(
    redis: Client, store: Store, removal: Removal
) -> None:
    cursors = [START]
    for n in range(6):
        if n in (2, 4):
            await redis.set(keys.FEED_RUN, "another")
        await store.publish(IDS[n], "claims", machine())
        cursors.append(await feed.head(redis))
    assert len({cursor.epoch for cursor in cursors}) == 4
    await erased(removal, *IDS[:5])
    for cursor in cursors:
        assert await feed.continuity(redis, cursor) is None
        assert whole(cursor, await feed.between(redis, cursor))


async def test_events_that_an_older_program_wrote_are_erased_too(redis: Client, store: Store, removal: Removal) -> None:
    await store.publish(IDS[0], "claims", machine())
    (event,) = await feed.newest(redis, 1)
    await redis.delete(keys.FEED)
    await redis.xadd(keys.FEED, {"data": event.data, "mailbox": "claims", "status": "new"}, id=str(event.cursor))
    await erased(removal, IDS[0])
    assert [event.removes for event in await feed.newest(redis, 5)] == [True]


async def test_erased_cursors_are_forgotten_when_nobody_can_come_back_with_them(
    redis: Client, store: Store, removal: Removal
) -> None:
    cursors = []
    for n in range(8):
        await store.publish(IDS[n], "claims", machine())
        cursors.append(await feed.head(redis))
    await erased(removal, IDS[0], IDS[2], IDS[3], IDS[5])
    assert await feed.forget_erased(redis) == 0
    await redis.xtrim(keys.FEED, minid=str(cursors[4]), approximate=False)
    assert await feed.forget_erased(redis) == 1
    assert sorted(await redis.hkeys(keys.FEED_ERASED)) == [str(cursors[n]).encode() for n in (2, 3, 5)]
    assert await feed.continuity(redis, cursors[2]) is None
    await redis.delete(keys.FEED)
    assert await feed.forget_erased(redis) == 0


async def test_a_long_feed_is_looked_through_in_steps(redis: Client, store: Store, removal: Removal) -> None:
    for n in range(600):
        await store.publish(IDS[0] if n % 100 == 0 else f"wi_{n:026d}", "claims", machine(f"{n}"))
    assert await feed.erase(redis, [IDS[0]]) == 6
    assert await redis.xlen(keys.FEED) == 594


async def test_no_byte_of_an_erased_event_is_left_in_the_feed(redis: Client, store: Store, removal: Removal) -> None:
    for n in range(3):
        await store.publish(IDS[n], "claims", machine(f"subject-of-{n}"))
    await redis.config_set("rdbcompression", "no")
    head = await feed.head(redis)
    await erased(removal, IDS[1])
    dump = await redis.dump(keys.FEED)
    assert b"subject-of-0" in dump
    assert b"subject-of-1" not in dump, "XDEL leaves the bytes of an entry whose neighbours stay"
    assert (await feed.head(redis)).n == head.n + 1


async def test_who_waits_for_an_event_while_others_are_erased_gets_it(
    redis: Client, make_redis: Callable[..., Client], store: Store, removal: Removal
) -> None:
    await store.publish(IDS[0], "claims", machine())
    await removal.remove(IDS[0], who="ann", why="")
    waiting = asyncio.create_task(feed.follow(make_redis(blocking=True), await feed.head(redis), seconds=5))
    await asyncio.sleep(0)
    await removal.finish([IDS[0]])
    await store.publish(IDS[1], "claims", machine())
    assert [event.item for event in await waiting] == [IDS[1]]


async def test_events_that_come_while_others_are_erased_are_kept(
    redis: Client, store: Store, removal: Removal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_STRETCH", 2)
    for n in range(6):
        await store.publish(IDS[n], "claims", machine())
    start = await feed.head(redis)
    await removal.remove(IDS[1], who="ann", why="")
    await removal.remove(IDS[3], who="ann", why="")

    async def publish() -> None:
        for n in range(6, 12):
            await store.publish(IDS[n], "claims", machine())

    await asyncio.gather(removal.finish([IDS[1]]), removal.finish([IDS[3]]), publish())
    found = await feed.between(redis, START)
    assert whole(START, found)
    assert [event.item for event in found if not event.removes] == [IDS[n] for n in (0, 2, 4, 5, *range(6, 12))]
    assert [event for event in await feed.between(redis, start) if not event.removes][-1].item == IDS[11]
    assert not await redis.exists(f"{keys.FEED}:copy", f"{keys.FEED}:erasing")


async def test_an_erasure_whose_process_was_killed_hinders_the_next_for_a_moment_only(
    redis: Client, store: Store, removal: Removal
) -> None:
    await store.publish(IDS[0], "claims", machine())
    await redis.set(f"{keys.FEED}:erasing", "of a dead process", px=100)
    await redis.xadd(f"{keys.FEED}:copy", {"data": "old"})
    await erased(removal, IDS[0])
    assert [event.removes for event in await feed.between(redis, START)] == [True]

"""Events that Redis deleted while it kept their entries are found, and a gap in the feed says so to every reader."""

import pytest

from tests.workitems.continuity import is_continuous
from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore
from workitems.retention.removal import Removal


async def test_lost_events_are_counted_and_erased_ones_are_not(
    redis: RedisClient, store: ItemStore, mailstore: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BATCH", 2)
    assert await feed.count_lost_events(redis) == 0
    for n in range(6):
        await store.publish(IDS[n], "claims", machine())
    await Removal(redis, mailstore, max_events=100).remove(IDS[0], who="ann", why="")
    assert await feed.count_lost_events(redis) == 0
    await redis.delete(keys.events(IDS[1]), keys.events(IDS[4]))
    await feed.leave_gap(redis)
    assert await feed.count_lost_events(redis) == 2


async def test_a_gap_is_seen_from_each_cursor_before_it_and_from_none_after_it(
    redis: RedisClient, store: ItemStore
) -> None:
    await store.publish(IDS[0], "claims", machine())
    before = await feed.head(redis)
    await feed.leave_gap(redis)
    gap = await feed.head(redis)
    await store.publish(IDS[1], "claims", machine())
    assert not is_continuous(START_CURSOR, await feed.read_events(redis, START_CURSOR))
    assert not is_continuous(before, await feed.read_events(redis, before))
    assert is_continuous(gap, await feed.read_events(redis, gap))


async def test_a_feed_that_was_lost_begins_with_a_gap(redis: RedisClient, store: ItemStore) -> None:
    await feed.leave_gap(redis)
    assert not is_continuous(START_CURSOR, await feed.read_events(redis, START_CURSOR))
    await store.publish(IDS[0], "claims", machine())
    (gap, _) = await feed.read_events(redis, START_CURSOR)
    assert is_continuous(gap.cursor, await feed.read_events(redis, gap.cursor))

"""The feed: dense cursors, epochs that distinguish a loss from a plain restart, and refusals instead of silent gaps."""

from collections.abc import Callable

import pytest
from redis import Redis

from tests.support.redis_server import RedisServer
from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import START_CURSOR, Cursor
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore

ClientOf = Callable[..., RedisClient]


async def publish(redis: RedisClient, *numbers: int, history: int = 10_000) -> list[Cursor]:
    """Publish one item for each event."""
    store = ItemStore(redis, max_events=history)
    ids = [f"wi_{number:026d}" for number in numbers]
    cursors = [(await store.publish(item_id, "claims", machine(item_id))).cursor for item_id in ids]
    return [Cursor.parse(cursor or "") or START_CURSOR for cursor in cursors]


async def reference_of(redis: RedisClient, number: int) -> str:
    return (await ItemStore(redis, max_events=100).get(f"wi_{number:026d}")).submission_ref


def cut(server: RedisServer, size: int) -> None:
    """Remove the last *size* bytes of the append-only file, in the middle of a command, as a power failure would."""
    server.kill()
    file = server.append_only_files[-1]
    file.write_bytes(file.read_bytes()[:-size])
    server.start()


async def test_the_head_of_an_empty_feed_is_the_start(redis: RedisClient) -> None:
    assert await feed.head(redis) == START_CURSOR
    assert await feed.check_continuity(redis, START_CURSOR) is None
    assert await feed.read_newest(redis, 10) == []
    assert await feed.wait_for_events(redis, START_CURSOR, block_seconds=0.01) == []


async def test_numbers_are_dense_from_one(redis: RedisClient) -> None:
    cursors = await publish(redis, *range(5))
    assert [cursor.n for cursor in cursors] == [1, 2, 3, 4, 5]
    assert len({cursor.epoch for cursor in cursors}) == 1
    assert await feed.head(redis) == cursors[-1]


async def test_the_epoch_belongs_to_the_run_of_redis(redis: RedisClient) -> None:
    (first,) = await publish(redis, 1)
    assert await redis.get(keys.FEED_RUN) == (await feed.run_id(redis)).encode()
    assert await redis.get(keys.FEED_PREV) == b"0-0"
    assert (await feed.read_newest(redis, 1))[0].follows(START_CURSOR)
    assert first.epoch > 1_700_000_000_000


async def test_reading_returns_only_the_events_after_the_cursor(redis: RedisClient) -> None:
    cursors = await publish(redis, *range(5))
    assert [event.cursor for event in await feed.wait_for_events(redis, cursors[1], block_seconds=1)] == cursors[2:]
    assert [event.cursor for event in await feed.read_events(redis, cursors[1], cursors[3])] == cursors[2:4]
    assert [event.cursor for event in await feed.read_events(redis, START_CURSOR, count=2)] == cursors[:2]
    assert [event.cursor for event in await feed.read_newest(redis, 2)] == cursors[3:]


async def test_every_cursor_that_was_given_is_accepted(redis: RedisClient) -> None:
    for cursor in [START_CURSOR, *await publish(redis, *range(5))]:
        assert await feed.check_continuity(redis, cursor) is None


async def test_a_cursor_that_was_never_given_is_refused_as_unknown(redis: RedisClient) -> None:
    last = (await publish(redis, 1, 2))[-1]
    assert await feed.check_continuity(redis, Cursor(last.epoch, last.n + 1)) == "unknown"
    assert await feed.check_continuity(redis, Cursor(last.epoch + 10**6, 1)) == "unknown"


async def test_a_trimmed_cursor_is_refused_and_the_one_right_before_the_oldest_is_accepted(redis: RedisClient) -> None:
    cursors = await publish(redis, *range(10))
    await redis.xtrim(keys.FEED, maxlen=4, approximate=False)
    assert [await feed.check_continuity(redis, cursor) for cursor in [START_CURSOR, *cursors]] == ["trimmed"] * 6 + [
        None
    ] * 5
    (oldest, *_) = await feed.read_events(redis, START_CURSOR)
    assert oldest.follows(cursors[5])
    assert not oldest.follows(cursors[4])


async def test_the_feed_is_capped(redis: RedisClient) -> None:
    await publish(redis, *range(350), history=100)
    assert 100 <= await redis.xlen(keys.FEED) <= 200


async def test_a_missing_event_in_the_middle_is_a_gap(redis: RedisClient) -> None:
    cursors = await publish(redis, 1, 2, 3)
    await redis.xdel(keys.FEED, str(cursors[1]))
    first, third = await feed.read_events(redis, START_CURSOR)
    assert not third.follows(first.cursor)


async def test_after_a_restart_without_loss_every_cursor_continues(own_redis: RedisServer, client_of: ClientOf) -> None:
    old = await publish(client_of(own_redis.url), 1, 2, 3)
    own_redis.kill()
    own_redis.start()
    redis = client_of(own_redis.url)
    assert await feed.head(redis) == old[-1]
    assert await feed.check_continuity(redis, old[-1]) is None
    new = await publish(redis, 4, 5)
    assert new[0].epoch > old[-1].epoch
    assert [cursor.n for cursor in new] == [1, 2]
    for cursor in [*old, *new]:
        assert await feed.check_continuity(redis, cursor) is None
    events = await feed.read_events(redis, old[0])
    assert [event.cursor for event in events] == [*old[1:], *new]
    befores = [old[0], *(event.cursor for event in events)]
    assert all(event.follows(before) for before, event in zip(befores, events, strict=False))
    assert not events[2].follows(old[1])


async def test_a_new_epoch_still_continues_the_old_one_after_a_trim(
    own_redis: RedisServer, client_of: ClientOf
) -> None:
    old = await publish(client_of(own_redis.url), 1, 2, 3)
    own_redis.kill()
    own_redis.start()
    redis = client_of(own_redis.url)
    await publish(redis, 4)
    await redis.xtrim(keys.FEED, maxlen=1, approximate=False)
    assert [await feed.check_continuity(redis, cursor) for cursor in old] == ["trimmed", "trimmed", None]


async def test_epochs_continue_over_two_restarts_without_loss(own_redis: RedisServer, client_of: ClientOf) -> None:
    before = await publish(client_of(own_redis.url), 1, 2)
    for number in (3, 4):
        own_redis.kill()
        own_redis.start()
        await publish(client_of(own_redis.url), number)
    redis = client_of(own_redis.url)
    events = await feed.wait_for_events(redis, before[1], block_seconds=1)
    assert len(events) == 2
    assert events[0].follows(before[1])
    assert events[1].follows(events[0].cursor)
    assert not events[0].follows(before[0])


async def test_a_cursor_whose_event_was_lost_is_refused_and_earlier_ones_continue(
    own_redis: RedisServer, client_of: ClientOf
) -> None:
    old = await publish(client_of(own_redis.url), 1, 2, 3)
    lost_reference = await reference_of(client_of(own_redis.url), 3)
    cut(own_redis, 20)
    redis = client_of(own_redis.url)
    assert await feed.head(redis) == old[1]
    assert await feed.check_continuity(redis, old[2]) == "unknown"
    new = await publish(redis, 4)
    assert new[0].epoch > old[-1].epoch
    assert [await feed.check_continuity(redis, cursor) for cursor in old] == [None, None, "epoch"]
    (event,) = await feed.read_newest(redis, 1)
    assert event.follows(old[1])
    assert not event.follows(old[2])
    assert lost_reference.endswith("000003")
    assert (await reference_of(redis, 4)).endswith("001003")


@pytest.mark.parametrize("first", ["change", "renewal", "publish"])
async def test_a_reference_is_never_given_twice_whatever_happens_first_after_a_loss(
    own_redis: RedisServer, client_of: ClientOf, first: str
) -> None:
    await publish(client_of(own_redis.url), 1, 2, 3)
    cut(own_redis, 20)
    redis = client_of(own_redis.url)
    store = ItemStore(redis, max_events=100)
    if first == "change":
        await store.change(f"wi_{1:026d}", ItemChange(status="done"), who="ann")
    if first == "renewal":
        await store.publish(f"wi_{1:026d}", "claims", machine("read again"))
    await publish(redis, 4, 5)
    assert [(await reference_of(redis, n))[-6:] for n in (1, 2, 4, 5)] == ["000001", "000002", "001003", "001004"]


async def test_a_feed_that_was_deleted_begins_a_new_epoch_and_refuses_old_cursors(redis: RedisClient) -> None:
    old = await publish(redis, 1, 2, 3)
    await redis.delete(keys.FEED)
    assert await feed.head(redis) == START_CURSOR
    assert await feed.check_continuity(redis, old[-1]) == "epoch"
    new = await publish(redis, 4)
    assert new[0] > old[-1]
    assert new[0].n == 1
    assert [await feed.check_continuity(redis, cursor) for cursor in old] == ["trimmed"] * 3
    (event,) = await feed.read_newest(redis, 1)
    assert not event.follows(old[-1])
    assert (await reference_of(redis, 4)).endswith("001004")


async def test_a_clock_set_back_cannot_make_an_older_epoch(redis: RedisClient) -> None:
    future = Cursor(9_000_000_000_000, 7)
    await redis.xadd(keys.FEED, {"data": "{}"}, id=str(future))
    await redis.set(keys.FEED_RUN, "of another run")
    assert await publish(redis, 1, 2) == [Cursor(future.epoch + 1, 1), Cursor(future.epoch + 1, 2)]
    assert await redis.get(keys.FEED_PREV) == str(future).encode()
    assert await feed.check_continuity(redis, future) is None


async def test_large_numbers_are_not_rounded(redis: RedisClient) -> None:
    await publish(redis, 1)
    far = Cursor((await feed.head(redis)).epoch, 999_999_999_999_999)
    await redis.xadd(keys.FEED, {"data": "{}"}, id=str(far))
    assert await publish(redis, 2) == [Cursor(far.epoch, far.n + 1)]


async def test_ids_of_items_that_were_deleted_are_not_given_again(redis: RedisClient) -> None:
    cursors = await publish(redis, 1, 2)
    await redis.xdel(keys.FEED, *map(str, cursors))
    assert (await publish(redis, 3))[0] == Cursor(cursors[0].epoch, 3)


async def test_the_channel_carries_the_bytes_of_the_feed(redis: RedisClient, redis_url: str) -> None:
    with Redis.from_url(redis_url) as other, other.pubsub() as channel:
        channel.subscribe(keys.CHANNEL)
        assert channel.get_message(timeout=5)
        await ItemStore(redis, max_events=100).publish(IDS[0], "claims", machine("Ä 😀"))
        message = channel.get_message(timeout=5)
    (event,) = await feed.read_newest(redis, 1)
    assert message is not None
    assert message["data"] == event.data
    assert abs(event.published_at_ms - event.cursor.epoch) < 5_000


@pytest.mark.parametrize("rights", ["+@all", "+@all -info", "+@all -@dangerous"])
async def test_every_start_of_redis_has_its_own_run_id(
    own_redis: RedisServer, client_of: ClientOf, rights: str
) -> None:
    async def run_ids() -> set[str]:
        client = client_of(own_redis.url)
        await client.execute_command("ACL", "SETUSER", "app", "on", "nopass", "~*", "&*", *rights.split())
        app = client_of(own_redis.url.replace("unix://", "unix://app:any@"))
        found = {await feed.run_id(app) for _ in range(20)}
        await publish(app, 1)
        return found | {await feed.run_id(app)}

    first = await run_ids()
    head = await feed.head(client_of(own_redis.url))
    own_redis.kill()
    own_redis.start()
    second = await run_ids()
    assert (len(first), len(second)) == (1, 1)
    assert first != second
    assert {len(each) for each in first | second} == {40}
    await publish(client_of(own_redis.url.replace("unix://", "unix://app:any@")), 2)
    assert (await feed.head(client_of(own_redis.url))).epoch > head.epoch

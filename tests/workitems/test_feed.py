"""The feed: dense cursors, epochs that tell a loss from a mere restart, and refusals instead of silent gaps."""

from collections.abc import Callable

import pytest
from redis import Redis

from tests.support.redis_server import RedisServer
from tests.workitems.samples import IDS, machine
from workitems import feed, keys
from workitems.event import START, Cursor
from workitems.redis import Client, run_id
from workitems.store import Change, Store

ClientOf = Callable[..., Client]


async def publish(redis: Client, *numbers: int, history: int = 10_000) -> list[Cursor]:
    """One item an event."""
    store = Store(redis, history=history)
    ids = [f"wi_{number:026d}" for number in numbers]
    cursors = [(await store.publish(item_id, "claims", machine(item_id))).cursor for item_id in ids]
    return [Cursor.parse(cursor or "") or START for cursor in cursors]


async def reference_of(redis: Client, number: int) -> str:
    return (await Store(redis, history=100).get(f"wi_{number:026d}")).submission_ref


def cut(server: RedisServer, size: int) -> None:
    """As a power cut would: the append-only file ends *size* bytes earlier, in the middle of a command."""
    server.kill()
    file = server.append_only_files[-1]
    file.write_bytes(file.read_bytes()[:-size])
    server.start()


async def test_the_head_of_no_feed_is_the_start(redis: Client) -> None:
    assert await feed.head(redis) == START
    assert await feed.continuity(redis, START) is None
    assert await feed.newest(redis, 10) == []
    assert await feed.follow(redis, START, seconds=0.01) == []


async def test_numbers_are_dense_from_one(redis: Client) -> None:
    cursors = await publish(redis, *range(5))
    assert [cursor.n for cursor in cursors] == [1, 2, 3, 4, 5]
    assert len({cursor.epoch for cursor in cursors}) == 1
    assert await feed.head(redis) == cursors[-1]


async def test_the_epoch_belongs_to_the_run_of_redis(redis: Client) -> None:
    (first,) = await publish(redis, 1)
    assert await redis.get(keys.FEED_RUN) == (await run_id(redis)).encode()
    assert await redis.get(keys.FEED_PREV) == b"0-0"
    assert (await feed.newest(redis, 1))[0].follows(START)
    assert first.epoch > 1_700_000_000_000


async def test_reading_brings_what_came_after_and_nothing_else(redis: Client) -> None:
    cursors = await publish(redis, *range(5))
    assert [event.cursor for event in await feed.follow(redis, cursors[1], seconds=1)] == cursors[2:]
    assert [event.cursor for event in await feed.between(redis, cursors[1], cursors[3])] == cursors[2:4]
    assert [event.cursor for event in await feed.between(redis, START, count=2)] == cursors[:2]
    assert [event.cursor for event in await feed.newest(redis, 2)] == cursors[3:]


async def test_every_cursor_that_was_given_holds(redis: Client) -> None:
    for cursor in [START, *await publish(redis, *range(5))]:
        assert await feed.continuity(redis, cursor) is None


async def test_a_cursor_that_was_never_given_is_unknown(redis: Client) -> None:
    last = (await publish(redis, 1, 2))[-1]
    assert await feed.continuity(redis, Cursor(last.epoch, last.n + 1)) == "unknown"
    assert await feed.continuity(redis, Cursor(last.epoch + 10**6, 1)) == "unknown"


async def test_a_trimmed_cursor_is_refused_and_the_one_right_before_the_oldest_holds(redis: Client) -> None:
    cursors = await publish(redis, *range(10))
    await redis.xtrim(keys.FEED, maxlen=4, approximate=False)
    assert [await feed.continuity(redis, cursor) for cursor in [START, *cursors]] == ["trimmed"] * 6 + [None] * 5
    (oldest, *_) = await feed.between(redis, START)
    assert oldest.follows(cursors[5])
    assert not oldest.follows(cursors[4])


async def test_the_feed_is_capped(redis: Client) -> None:
    await publish(redis, *range(350), history=100)
    assert 100 <= await redis.xlen(keys.FEED) <= 200


async def test_an_event_in_the_middle_that_is_gone_does_not_join(redis: Client) -> None:
    cursors = await publish(redis, 1, 2, 3)
    await redis.xdel(keys.FEED, str(cursors[1]))
    first, third = await feed.between(redis, START)
    assert not third.follows(first.cursor)


async def test_after_a_restart_without_loss_every_cursor_goes_on(own_redis: RedisServer, client_of: ClientOf) -> None:
    old = await publish(client_of(own_redis.url), 1, 2, 3)
    own_redis.kill()
    own_redis.start()
    redis = client_of(own_redis.url)
    assert await feed.head(redis) == old[-1]
    assert await feed.continuity(redis, old[-1]) is None
    new = await publish(redis, 4, 5)
    assert new[0].epoch > old[-1].epoch
    assert [cursor.n for cursor in new] == [1, 2]
    for cursor in [*old, *new]:
        assert await feed.continuity(redis, cursor) is None
    events = await feed.between(redis, old[0])
    assert [event.cursor for event in events] == [*old[1:], *new]
    befores = [old[0], *(event.cursor for event in events)]
    assert all(event.follows(before) for before, event in zip(befores, events, strict=False))
    assert not events[2].follows(old[1])


async def test_the_border_still_joins_when_the_old_epoch_was_trimmed(
    own_redis: RedisServer, client_of: ClientOf
) -> None:
    old = await publish(client_of(own_redis.url), 1, 2, 3)
    own_redis.kill()
    own_redis.start()
    redis = client_of(own_redis.url)
    await publish(redis, 4)
    await redis.xtrim(keys.FEED, maxlen=1, approximate=False)
    assert [await feed.continuity(redis, cursor) for cursor in old] == ["trimmed", "trimmed", None]


async def test_two_restarts_without_loss_still_join(own_redis: RedisServer, client_of: ClientOf) -> None:
    before = await publish(client_of(own_redis.url), 1, 2)
    for number in (3, 4):
        own_redis.kill()
        own_redis.start()
        await publish(client_of(own_redis.url), number)
    redis = client_of(own_redis.url)
    events = await feed.follow(redis, before[1], seconds=1)
    assert len(events) == 2
    assert events[0].follows(before[1])
    assert events[1].follows(events[0].cursor)
    assert not events[0].follows(before[0])


async def test_a_cursor_whose_event_was_lost_is_refused_and_earlier_ones_go_on(
    own_redis: RedisServer, client_of: ClientOf
) -> None:
    old = await publish(client_of(own_redis.url), 1, 2, 3)
    lost_reference = await reference_of(client_of(own_redis.url), 3)
    cut(own_redis, 20)
    redis = client_of(own_redis.url)
    assert await feed.head(redis) == old[1]
    assert await feed.continuity(redis, old[2]) == "unknown"
    new = await publish(redis, 4)
    assert new[0].epoch > old[-1].epoch
    assert [await feed.continuity(redis, cursor) for cursor in old] == [None, None, "epoch"]
    (event,) = await feed.newest(redis, 1)
    assert event.follows(old[1])
    assert not event.follows(old[2])
    assert lost_reference.endswith("000003")
    assert (await reference_of(redis, 4)).endswith("001003")


@pytest.mark.parametrize("first", ["change", "renewal", "publish"])
async def test_a_reference_is_never_given_twice_whatever_comes_first_after_a_loss(
    own_redis: RedisServer, client_of: ClientOf, first: str
) -> None:
    await publish(client_of(own_redis.url), 1, 2, 3)
    cut(own_redis, 20)
    redis = client_of(own_redis.url)
    store = Store(redis, history=100)
    if first == "change":
        await store.change(f"wi_{1:026d}", Change(status="done"), who="ann")
    if first == "renewal":
        await store.publish(f"wi_{1:026d}", "claims", machine("read anew"))
    await publish(redis, 4, 5)
    assert [(await reference_of(redis, n))[-6:] for n in (1, 2, 4, 5)] == ["000001", "000002", "001003", "001004"]


async def test_a_feed_that_was_deleted_begins_a_new_epoch_and_refuses_old_cursors(redis: Client) -> None:
    old = await publish(redis, 1, 2, 3)
    await redis.delete(keys.FEED)
    assert await feed.head(redis) == START
    assert await feed.continuity(redis, old[-1]) == "epoch"
    new = await publish(redis, 4)
    assert new[0] > old[-1]
    assert new[0].n == 1
    assert [await feed.continuity(redis, cursor) for cursor in old] == ["trimmed"] * 3
    (event,) = await feed.newest(redis, 1)
    assert not event.follows(old[-1])
    assert (await reference_of(redis, 4)).endswith("001004")


async def test_a_clock_that_went_back_cannot_make_an_older_epoch(redis: Client) -> None:
    future = Cursor(9_000_000_000_000, 7)
    await redis.xadd(keys.FEED, {"data": "{}"}, id=str(future))
    await redis.set(keys.FEED_RUN, "of another run")
    assert await publish(redis, 1, 2) == [Cursor(future.epoch + 1, 1), Cursor(future.epoch + 1, 2)]
    assert await redis.get(keys.FEED_PREV) == str(future).encode()
    assert await feed.continuity(redis, future) is None


async def test_large_numbers_stay_whole(redis: Client) -> None:
    await publish(redis, 1)
    far = Cursor((await feed.head(redis)).epoch, 999_999_999_999_999)
    await redis.xadd(keys.FEED, {"data": "{}"}, id=str(far))
    assert await publish(redis, 2) == [Cursor(far.epoch, far.n + 1)]


async def test_ids_of_items_that_were_deleted_are_not_given_again(redis: Client) -> None:
    cursors = await publish(redis, 1, 2)
    await redis.xdel(keys.FEED, *map(str, cursors))
    assert (await publish(redis, 3))[0] == Cursor(cursors[0].epoch, 3)


async def test_the_channel_carries_the_bytes_of_the_feed(redis: Client, redis_url: str) -> None:
    with Redis.from_url(redis_url) as other, other.pubsub() as channel:
        channel.subscribe(keys.CHANNEL)
        assert channel.get_message(timeout=5)
        await Store(redis, history=100).publish(IDS[0], "claims", machine("Ä 😀"))
        message = channel.get_message(timeout=5)
    (event,) = await feed.newest(redis, 1)
    assert message is not None
    assert message["data"] == event.data
    assert abs(event.at - event.cursor.epoch) < 5_000

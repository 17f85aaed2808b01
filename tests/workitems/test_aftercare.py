"""The queue of what is still to be done in a mailbox."""

import time

from workitems import aftercare, keys
from workitems.aftercare import Aftercare, Place
from workitems.redis import Client

FIRST, SECOND, THIRD = b'["INBOX",7,3]', b'["INBOX",7,4]', b'["B\xc3\xbccher",9,1]'


async def queue(redis: Client, *raws: bytes) -> Aftercare:
    for n, raw in enumerate(raws):
        await redis.zadd(keys.after("desk"), {raw: 1000 + n})
    return Aftercare(redis, "desk")


async def wait(redis: Client, raw: bytes) -> float:
    """Seconds until it is due."""
    return float(await redis.zscore(keys.after("desk"), raw)) / 1000 - time.time()


async def test_what_is_due_comes_in_its_order_and_stays_until_it_is_done(redis: Client) -> None:
    todo = await queue(redis, FIRST, SECOND, THIRD)
    await redis.zadd(keys.after("desk"), {b'["INBOX",7,9]': (time.time() + 60) * 1000})
    assert await todo.due(2) == [Place(FIRST, "INBOX", 7, 3), Place(SECOND, "INBOX", 7, 4)]
    assert [place.raw for place in await todo.due(10)] == [FIRST, SECOND, THIRD]
    await todo.done((await todo.due(10))[:2])
    await todo.done([])
    assert await todo.due(10) == [Place(THIRD, "Bücher", 9, 1)]
    assert await todo.waiting() == 2


async def test_what_failed_is_tried_again_later_each_time_at_last_once_an_hour(redis: Client) -> None:
    todo = await queue(redis, FIRST, SECOND)
    first, second = await todo.due(10)
    for most in (10, 20, 40, 80):
        await todo.later([first])
        assert most / 2 - 1 <= await wait(redis, FIRST) <= most
    for _ in range(60):
        await todo.later([first])
    assert 1799 <= await wait(redis, FIRST) <= 3600
    assert await todo.due(10) == [second]
    await todo.done([first])
    await redis.zadd(keys.after("desk"), {FIRST: 1})
    await todo.later([first])
    assert await wait(redis, FIRST) <= aftercare.RETRY_BASE, "a place that was done begins anew"


async def test_a_place_that_was_taken_away_does_not_come_back(redis: Client) -> None:
    todo = await queue(redis, FIRST)
    places = await todo.due(10)
    await redis.zrem(keys.after("desk"), FIRST)
    await todo.later(places)
    assert await todo.waiting() == 0


async def test_what_is_no_place_is_dropped(redis: Client) -> None:
    todo = await queue(redis, b"junk", b"[1]", b'["INBOX",7,"x"]', FIRST)
    assert [place.raw for place in await todo.due(10)] == [FIRST]
    assert await todo.waiting() == 1


async def test_why_nothing_can_be_done_is_recorded_and_forgotten_when_all_is_well(redis: Client) -> None:
    todo = Aftercare(redis, "desk")
    await todo.tell("Bücher", "the folder is read-only")
    assert await redis.hget(keys.mailbox("desk", "Bücher"), "after_error") == b"the folder is read-only"
    await todo.tell("Bücher", "")
    assert await redis.hget(keys.mailbox("desk", "Bücher"), "after_error") is None

"""The queue of the pending actions of a mailbox."""

import time

from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.mailboxes import pending_actions
from workitems.mailboxes.pending_actions import MailLocation, PendingActions

FIRST, SECOND, THIRD = b'["INBOX",7,3]', b'["INBOX",7,4]', b'["B\xc3\xbccher",9,1]'


async def queue(redis: RedisClient, *raws: bytes) -> PendingActions:
    for n, raw in enumerate(raws):
        await redis.zadd(keys.after("desk"), {raw: 1000 + n})
    return PendingActions(redis, "desk")


async def wait(redis: RedisClient, raw: bytes) -> float:
    """Return the seconds until it is due."""
    return float(await redis.zscore(keys.after("desk"), raw)) / 1000 - time.time()


async def test_due_actions_come_in_order_and_stay_until_they_are_done(redis: RedisClient) -> None:
    todo = await queue(redis, FIRST, SECOND, THIRD)
    await redis.zadd(keys.after("desk"), {b'["INBOX",7,9]': (time.time() + 60) * 1000})
    assert await todo.list_due(2) == [MailLocation(FIRST, "INBOX", 7, 3), MailLocation(SECOND, "INBOX", 7, 4)]
    assert [place.raw for place in await todo.list_due(10)] == [FIRST, SECOND, THIRD]
    await todo.remove((await todo.list_due(10))[:2])
    await todo.remove([])
    assert await todo.list_due(10) == [MailLocation(THIRD, "Bücher", 9, 1)]
    assert await todo.count() == 2


async def test_a_failed_action_is_retried_after_longer_waits_of_at_most_an_hour(redis: RedisClient) -> None:
    todo = await queue(redis, FIRST, SECOND)
    first, second = await todo.list_due(10)
    for most in (10, 20, 40, 80):
        await todo.postpone([first])
        assert most / 2 - 1 <= await wait(redis, FIRST) <= most
    for _ in range(60):
        await todo.postpone([first])
    assert 1799 <= await wait(redis, FIRST) <= 3600
    assert await todo.list_due(10) == [second]
    await todo.remove([first])
    await redis.zadd(keys.after("desk"), {FIRST: 1})
    await todo.postpone([first])
    assert await wait(redis, FIRST) <= pending_actions.RETRY_BASE, "a done action starts again with the shortest wait"


async def test_a_removed_action_does_not_come_back(redis: RedisClient) -> None:
    todo = await queue(redis, FIRST)
    places = await todo.list_due(10)
    await redis.zrem(keys.after("desk"), FIRST)
    await todo.postpone(places)
    assert await todo.count() == 0


async def test_an_entry_that_is_no_location_is_dropped(redis: RedisClient) -> None:
    todo = await queue(redis, b"junk", b"[1]", b'["INBOX",7,"x"]', FIRST)
    assert [place.raw for place in await todo.list_due(10)] == [FIRST]
    assert await todo.count() == 1


async def test_the_error_of_a_folder_is_recorded_and_deleted_after_success(redis: RedisClient) -> None:
    todo = PendingActions(redis, "desk")
    await todo.set_error("Bücher", "the folder is read-only")
    assert await redis.hget(keys.mailbox("desk", "Bücher"), "after_error") == b"the folder is read-only"
    await todo.set_error("Bücher", "")
    assert await redis.hget(keys.mailbox("desk", "Bücher"), "after_error") is None

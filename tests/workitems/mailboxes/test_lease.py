"""One worker at a time watches a mailbox."""

import asyncio
import time

import pytest

from workitems.base.errors import LeaseLostError
from workitems.base.redis import RedisClient
from workitems.mailboxes.checkpoint import Checkpoint, FolderRecord
from workitems.mailboxes.lease import Lease


def lease(redis: RedisClient, owner: str, seconds: float = 30.0) -> Lease:
    return Lease(redis, "claims", owner, ttl_seconds=seconds)


async def test_one_worker_holds_the_lease_and_the_other_learns_for_how_long(redis: RedisClient) -> None:
    one, two = lease(redis, "one"), lease(redis, "two")
    assert await one.acquire() == 0.0
    assert 29.0 < await two.acquire() <= 30.0
    assert one.token
    assert not two.token


async def test_taking_a_lease_again_prolongs_it_and_keeps_the_token(redis: RedisClient) -> None:
    one = lease(redis, "one")
    await one.acquire()
    token = one.token
    await redis.pexpire("{tubepost}:lease:claims", 1000)
    assert await one.acquire() == 0.0
    assert one.token == token
    assert await redis.pttl("{tubepost}:lease:claims") > 29_000


async def test_the_next_process_of_the_same_worker_takes_over_at_once_and_the_old_one_loses_the_lease(
    redis: RedisClient,
) -> None:
    old, new = lease(redis, "one"), lease(redis, "one")
    await old.acquire()
    assert await new.acquire() == 0.0
    assert new.token != old.token
    with pytest.raises(LeaseLostError):
        await FolderRecord(redis, "claims", lease=old).set_checkpoint(Checkpoint(7, 2))


async def test_a_released_or_expired_lease_is_free(redis: RedisClient) -> None:
    one, two = lease(redis, "one"), lease(redis, "two", seconds=0.05)
    await one.acquire()
    await one.release()
    assert await two.acquire() == 0.0
    deadline = time.monotonic() + 5
    while await one.acquire() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert one.token
    await two.release()  # a lease that it lost stays with the other
    assert await one.acquire() == 0.0


async def test_a_leased_mailbox_is_not_changed_without_its_lease(redis: RedisClient) -> None:
    one, two = lease(redis, "one"), lease(redis, "two")
    await one.acquire()
    mailbox = FolderRecord(redis, "claims", "INBOX", one)
    await mailbox.set_checkpoint(Checkpoint(7, 2))
    stale = FolderRecord(redis, "claims", "INBOX", two)
    for step in (
        stale.set_checkpoint(Checkpoint(8, 0)),
        stale.advance_checkpoint(7, 9),
        stale.set_unfetched_uids({3: 1}, given_up=1),
    ):
        with pytest.raises(LeaseLostError, match="claims"):
            await step
    assert await mailbox.checkpoint() == Checkpoint(7, 2)
    assert await mailbox.unfetched_uids() == {}


async def test_a_redis_that_lost_the_lease_refuses_its_token(redis: RedisClient) -> None:
    one = lease(redis, "one")
    await one.acquire()
    await redis.flushall()
    with pytest.raises(LeaseLostError):
        await FolderRecord(redis, "claims", lease=one).set_checkpoint(Checkpoint(7, 2))
    token = one.token
    await one.acquire()
    assert one.token not in ("", token)


async def test_two_processes_with_one_name_do_not_take_the_lease_from_each_other_for_ever(
    redis: RedisClient,
) -> None:
    old, new = lease(redis, "one"), lease(redis, "one")
    await old.acquire()
    await new.acquire()
    for _ in range(3):
        assert 29.0 < await old.acquire() <= 30.0
        assert await new.acquire() == 0.0


async def test_a_lease_that_expires_right_now_is_not_taken_for_ours(redis: RedisClient) -> None:
    one, two = lease(redis, "one"), lease(redis, "two", seconds=0.02)
    for _ in range(20):
        await two.acquire()
        assert bool(await one.acquire()) != bool(one.token)
        await one.release()

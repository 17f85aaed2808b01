"""One worker at a time watches a mailbox."""

import asyncio
import time

import pytest

from workitems.errors import LeaseLostError
from workitems.lease import Lease
from workitems.mailbox import Checkpoint, Mailbox
from workitems.redis import Client


def lease(redis: Client, owner: str, seconds: float = 30.0) -> Lease:
    return Lease(redis, "claims", owner, seconds=seconds)


async def test_one_holds_it_and_the_other_is_told_how_long_at_most(redis: Client) -> None:
    one, two = lease(redis, "one"), lease(redis, "two")
    assert await one.take() == 0.0
    assert 29.0 < await two.take() <= 30.0
    assert one.token
    assert not two.token


async def test_taking_it_again_makes_it_last_and_keeps_the_token(redis: Client) -> None:
    one = lease(redis, "one")
    await one.take()
    token = one.token
    await redis.pexpire("{tubepost}:lease:claims", 1000)
    assert await one.take() == 0.0
    assert one.token == token
    assert await redis.pttl("{tubepost}:lease:claims") > 29_000


async def test_the_next_process_of_the_same_worker_takes_over_at_once_and_the_old_one_is_out(redis: Client) -> None:
    old, new = lease(redis, "one"), lease(redis, "one")
    await old.take()
    assert await new.take() == 0.0
    assert new.token != old.token
    with pytest.raises(LeaseLostError):
        await Mailbox(redis, "claims", lease=old).begin(Checkpoint(7, 2))


async def test_what_was_released_or_has_ended_is_free(redis: Client) -> None:
    one, two = lease(redis, "one"), lease(redis, "two", seconds=0.05)
    await one.take()
    await one.release()
    assert await two.take() == 0.0
    deadline = time.monotonic() + 5
    while await one.take() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert one.token
    await two.release()  # what is no longer its own stays with the other
    assert await one.take() == 0.0


async def test_without_a_lease_nothing_of_a_leased_mailbox_is_changed(redis: Client) -> None:
    one, two = lease(redis, "one"), lease(redis, "two")
    await one.take()
    mailbox = Mailbox(redis, "claims", "INBOX", one)
    await mailbox.begin(Checkpoint(7, 2))
    stale = Mailbox(redis, "claims", "INBOX", two)
    for step in (stale.begin(Checkpoint(8, 0)), stale.advance(7, 9), stale.owe({3: 1}, given_up=1)):
        with pytest.raises(LeaseLostError, match="claims"):
            await step
    assert await mailbox.checkpoint() == Checkpoint(7, 2)
    assert await mailbox.owed() == {}


async def test_a_redis_that_lost_the_lease_refuses_its_token(redis: Client) -> None:
    one = lease(redis, "one")
    await one.take()
    await redis.flushall()
    with pytest.raises(LeaseLostError):
        await Mailbox(redis, "claims", lease=one).begin(Checkpoint(7, 2))
    token = one.token
    await one.take()
    assert one.token not in ("", token)


async def test_two_processes_that_were_given_one_name_do_not_take_it_from_each_other_for_ever(redis: Client) -> None:
    old, new = lease(redis, "one"), lease(redis, "one")
    await old.take()
    await new.take()
    for _ in range(3):
        assert 29.0 < await old.take() <= 30.0
        assert await new.take() == 0.0


async def test_a_lease_that_ends_this_very_moment_is_not_taken_for_ours(redis: Client) -> None:
    one, two = lease(redis, "one"), lease(redis, "two", seconds=0.02)
    for _ in range(20):
        await two.take()
        assert bool(await one.take()) != bool(one.token)
        await one.release()

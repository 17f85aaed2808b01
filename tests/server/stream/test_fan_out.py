"""Streams that open between two events do so together, and not one in each turn of the event loop."""

import asyncio

import pytest

from server.context import Context
from server.stream.fan_out import FanOutLock
from tests.support.stream_pair import Open
from tests.support.waiting import PATIENCE


async def test_streams_that_open_during_a_fan_out_join_together_before_the_next_event(
    context: Context, opened: Open
) -> None:
    """Each holds its whole request until it joins, and more than one arrives in each turn of the loop."""
    hub, seen = context.hub, list[int]()

    async def fans_out_next() -> None:
        async with hub.fan_out_lock:
            seen.append(len(hub.joined_streams))

    async with hub.fan_out_lock:
        opening = [asyncio.create_task(context.stream_opener.open(opened()[0], None)) for _ in range(100)]
        await asyncio.sleep(0)
        next_event = asyncio.create_task(fans_out_next())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not hub.joined_streams
    turns = 0
    while len(hub.joined_streams) < 100:
        await asyncio.sleep(0)
        turns += 1
    assert turns < 20, "far fewer turns of the loop than streams"
    await asyncio.gather(next_event, *opening)
    assert seen == [100]


async def test_a_cancelled_waiter_disturbs_no_other_and_a_waiter_continues_when_the_lock_is_free() -> None:
    lock, was_locked = FanOutLock(), list[bool]()

    async def waits() -> None:
        await lock.wait_unlocked()
        was_locked.append(lock.locked())

    async with lock:
        impatient, patient = asyncio.create_task(waits()), asyncio.create_task(waits())
        holder = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await patient
        await holder
    assert was_locked == [False]
    late = asyncio.create_task(waits())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await asyncio.shield(late)
    lock.release()
    await late
    assert was_locked == [False, False]

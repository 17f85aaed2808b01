"""Whoever must fall between two events: a crowd that opens streams does so at once, and not one a turn of the loop."""

import asyncio

import pytest

from server.context import Context
from server.turn import Turn
from tests.support.stream_pair import Open


async def test_a_crowd_that_came_while_events_went_out_joins_at_once_and_before_the_next_event(
    context: Context, opened: Open
) -> None:
    """Each would hold its whole request until then, and those that come meanwhile are more than one a turn."""
    hub, seen = context.hub, list[int]()

    async def tells_next() -> None:
        async with hub.turn:
            seen.append(len(hub.streams))

    async with hub.turn:
        opening = [asyncio.create_task(context.resume.open(opened()[0], None)) for _ in range(100)]
        await asyncio.sleep(0)
        told = asyncio.create_task(tells_next())
        await asyncio.sleep(0.05)
        assert not hub.streams
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(hub.streams) == 100
    await asyncio.gather(told, *opening)
    assert seen == [100]


async def test_who_gives_up_waiting_takes_nobody_along_and_who_waits_sees_no_holder() -> None:
    turn, held = Turn(), list[bool]()

    async def waits() -> None:
        await turn.free()
        held.append(turn.locked())

    async with turn:
        impatient, patient = asyncio.create_task(waits()), asyncio.create_task(waits())
        holder = asyncio.create_task(turn.acquire())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await patient
        await holder
    assert held == [False]
    late = asyncio.create_task(waits())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await asyncio.shield(late)
    turn.release()
    await late
    assert held == [False, False]

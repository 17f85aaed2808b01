"""Cancelled tasks end."""

import asyncio

import pytest

from workitems.base.tasks import cancel_and_wait, not_cancelled


async def swallows_one() -> None:
    """Swallow one cancellation, as `asyncio.wait_for` may."""
    swallowed = False
    while True:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            if swallowed:
                raise
            swallowed = True


async def test_a_task_that_swallowed_its_cancellation_is_cancelled_again() -> None:
    task = asyncio.create_task(swallows_one())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancel_and_wait(task)
    assert task.cancelled()


async def test_a_loop_ends_although_a_step_swallowed_the_cancellation() -> None:
    async def step() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(10)

    async def loop() -> None:
        while not_cancelled():
            await step()

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([task])
    assert task.cancelled()


async def test_an_error_of_a_task_does_not_stop_the_others_from_ending() -> None:
    async def fails() -> None:
        raise ValueError

    failing, waiting = asyncio.create_task(fails()), asyncio.create_task(asyncio.sleep(10))
    await asyncio.sleep(0)
    await cancel_and_wait(failing, waiting)
    assert waiting.cancelled()

"""The loops of a server process: a loop that ends by itself is a fault and stops the process."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.main import run_loops
from tests.support.waiting import PATIENCE

Loop = Callable[[], Coroutine[Any, Any, None]]


async def raises() -> None:
    raise RuntimeError("for this test")


async def returns() -> None:
    pass


async def runs_until_cancelled() -> None:
    await asyncio.Event().wait()


async def returns_when_cancelled() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return


async def is_cancelled_from_within() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("loop", [raises, returns, is_cancelled_from_within])
async def test_a_loop_that_ends_is_logged_and_stops_the_process(loop: Loop) -> None:
    stop = asyncio.Event()
    with capture_logs() as lines:
        async with AsyncExitStack() as stack:
            run_loops(stop, runs_until_cancelled, loop, stack=stack)
            async with asyncio.timeout(PATIENCE):
                await stop.wait()
    assert [(line["event"], line["part"]) for line in lines] == [("a part of the process failed", loop.__qualname__)]


async def test_loops_that_end_because_the_process_stops_are_no_fault() -> None:
    stop = asyncio.Event()
    with capture_logs() as lines:
        async with AsyncExitStack() as stack:
            tasks = run_loops(stop, runs_until_cancelled, returns_when_cancelled, stack=stack)
            await asyncio.sleep(0)
    assert all(task.done() for task in tasks)
    assert lines == []
    assert not stop.is_set()

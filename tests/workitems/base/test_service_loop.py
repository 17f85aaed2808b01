"""A service loop survives every error of its step and ends when it is cancelled."""

import asyncio

import pytest
from structlog.testing import capture_logs

from workitems.base.errors import StoreUnavailableError
from workitems.base.log import get_logger
from workitems.base.service_loop import run_service_loop


async def test_an_error_ends_the_step_and_not_the_loop() -> None:
    outcomes = iter([StoreUnavailableError("Redis is away"), ZeroDivisionError("a bug"), None])
    third_call = asyncio.Event()

    async def step() -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        third_call.set()
        await asyncio.Event().wait()

    with capture_logs() as logged:
        loop = run_service_loop(step, seconds=0, waits="it waits", failed="it failed", log=get_logger("test"))
        task = asyncio.create_task(loop)
        async with asyncio.timeout(20):
            await third_call.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [(line["event"], line["log_level"]) for line in logged] == [("it waits", "debug"), ("it failed", "error")]
    assert logged[0]["reason"] == "Redis is away"
    assert logged[1]["exc_info"]

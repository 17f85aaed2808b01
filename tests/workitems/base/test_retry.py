"""A step is repeated until it succeeds or is asked to stop."""

import asyncio

import pytest

from workitems.base.errors import IntakeFullError, StoreUnavailableError
from workitems.base.retry import pause, retry_until_available


class FailingStep:
    """Fail *failures* times with *error*, then return 42. `waits` holds the pauses that were requested."""

    def __init__(self, failures: int, error: type[Exception] = StoreUnavailableError) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0
        self.waits: list[float] = []

    async def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error(f"failure {self.calls}")
        return 42

    async def pause(self, seconds: float, stop: asyncio.Event) -> None:
        self.waits.append(seconds)


async def test_a_step_that_succeeds_is_not_repeated_and_reports_nothing() -> None:
    step, reports = FailingStep(0), list[object]()
    result = await retry_until_available(
        step, asyncio.Event(), on_wait=reports.append, on_resume=lambda: reports.append("over"), pause=step.pause
    )
    assert (result, step.calls, step.waits, reports) == (42, 1, [], [])


async def test_waiting_is_reported_once_when_it_starts_and_once_when_it_is_over() -> None:
    step, reports, failures = FailingStep(3), list[str](), list[str]()

    async def record(reason: str) -> None:
        failures.append(reason)

    result = await retry_until_available(
        step,
        asyncio.Event(),
        on_wait=reports.append,
        on_resume=lambda: reports.append("over"),
        on_failure=record,
        pause=step.pause,
    )
    assert result == 42
    assert reports == ["failure 1", "over"]
    assert failures == ["failure 1", "failure 2", "failure 3"]


async def test_no_wait_is_longer_than_the_given_maximum() -> None:
    step = FailingStep(20)
    await retry_until_available(step, asyncio.Event(), max_delay_seconds=2.0, pause=step.pause)
    assert len(step.waits) == 20
    assert 0 < min(step.waits) <= max(step.waits) <= 2.0


async def test_an_error_of_another_class_is_raised_at_once() -> None:
    step = FailingStep(1, IntakeFullError)
    with pytest.raises(IntakeFullError):
        await retry_until_available(step, asyncio.Event(), pause=step.pause)
    step = FailingStep(1, IntakeFullError)
    assert await retry_until_available(step, asyncio.Event(), errors=(IntakeFullError,), pause=step.pause) == 42


async def test_after_a_stop_the_step_runs_once_more_and_its_error_is_raised() -> None:
    step, stop = FailingStep(100), asyncio.Event()

    async def stop_while_waiting(seconds: float, event: asyncio.Event) -> None:
        event.set()

    with pytest.raises(StoreUnavailableError, match="failure 2"):
        await retry_until_available(step, stop, pause=stop_while_waiting)
    assert step.calls == 2


async def test_a_pause_ends_when_the_stop_is_set() -> None:
    stop = asyncio.Event()
    waiting = asyncio.create_task(pause(3600.0, stop))
    stop.set()
    async with asyncio.timeout(30):
        await waiting


async def test_a_pause_ends_after_its_time() -> None:
    async with asyncio.timeout(30):
        await pause(0.001, asyncio.Event())


async def test_a_cancellation_is_passed_on() -> None:
    step, waiting = FailingStep(100), asyncio.Event()
    task = asyncio.create_task(retry_until_available(step, asyncio.Event(), on_wait=lambda _: waiting.set()))
    async with asyncio.timeout(30):
        await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_a_step_swallowed_is_raised_before_the_next_attempt() -> None:
    started = asyncio.Event()
    calls = []

    async def swallow() -> None:
        calls.append(1)
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise StoreUnavailableError("swallowed") from None

    async def no_pause(seconds: float, stop: asyncio.Event) -> None:
        pass

    task = asyncio.create_task(retry_until_available(swallow, asyncio.Event(), pause=no_pause))
    async with asyncio.timeout(30):
        await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(calls) == 1

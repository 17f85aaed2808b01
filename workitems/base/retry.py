"""Repeat a step until what it needs, such as Redis or the disk, is available again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from workitems.base.backoff import delay
from workitems.base.errors import StoreUnavailableError
from workitems.base.tasks import not_cancelled

#: The longest wait in seconds between two attempts, unless the caller names another.
MAX_DELAY_SECONDS = 5.0

T = TypeVar("T")


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Wait for *seconds*, or until *stop* is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def retry_until_available(
    step: Callable[[], Awaitable[T]],
    stop: asyncio.Event,
    *,
    errors: tuple[type[Exception], ...] = (StoreUnavailableError,),
    max_delay_seconds: float = MAX_DELAY_SECONDS,
    on_wait: Callable[[str], object] | None = None,
    on_resume: Callable[[], object] | None = None,
    on_failure: Callable[[str], Awaitable[object]] | None = None,
    pause: Callable[[float, asyncio.Event], Awaitable[None]] = pause,
) -> T:
    """Return what *step* returns; repeat it after each of *errors*, with back-off. Any other error is raised at once.

    Once *stop* is set, the step runs at most one more time, and its error is raised. At the first failure *on_wait* is
    called with the reason, at each one *on_failure*, and *on_resume* when the step succeeds after a failure.
    """
    failures = 0
    while True:
        not_cancelled()  # a step may have swallowed the cancellation: see `tasks`
        try:
            result = await step()
        except errors as error:
            if stop.is_set():
                raise
            reason = str(error)
        else:
            if failures and on_resume:
                on_resume()
            return result
        if not failures and on_wait:
            on_wait(reason)
        if on_failure:
            await on_failure(reason)
        await pause(delay(failures, cap=max_delay_seconds), stop)
        failures += 1

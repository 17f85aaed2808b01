"""The loop of periodic work that must continue as long as its process runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from workitems.base.errors import IntakeFullError, StoreUnavailableError
from workitems.base.tasks import not_cancelled


async def run_service_loop(
    step: Callable[[], Awaitable[object]], *, seconds: float, waits: str, failed: str, log: Any
) -> None:
    """Call *step* again and again, with *seconds* between two calls, until the task is cancelled.

    The log has *waits* when Redis, the disk or the intake cannot serve, and *failed* for any other error.
    """
    while not_cancelled():
        try:
            await step()
        except (StoreUnavailableError, IntakeFullError) as error:
            log.debug(waits, reason=str(error))
        except Exception:  # an unknown error ends this step, not the loop: the rest of the process still works
            log.exception(failed)
        await asyncio.sleep(seconds)

"""Ending tasks for certain.

On Python 3.11 `asyncio.wait_for` swallows a cancellation that arrives in the moment in which what it waits for is done
(python/cpython#86296), and redis-py awaits its sockets through it. A loop that was cancelled once may then go on for
ever; these two make sure that it does not.
"""

import asyncio
from typing import Any

#: Seconds after which a task that still runs is cancelled again.
_AGAIN = 1.0


def not_cancelled() -> bool:
    """For the head of an endless loop: True, or CancelledError when a cancellation of this task was swallowed."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return True


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel *tasks* until every one of them has ended; what they raise stays with them."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_AGAIN)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen, so that it is not reported as forgotten

"""End tasks reliably.

On Python 3.11 `asyncio.wait_for` swallows a cancellation that arrives at the moment when its awaitable is done
(python/cpython#86296), and redis-py awaits its sockets through it. A loop that was cancelled once may then run for
ever; these two functions prevent that.
"""

import asyncio
from typing import Any

#: Seconds after which a task that still runs is cancelled again.
_AGAIN = 1.0


def not_cancelled() -> bool:
    """Return True, or raise CancelledError when a cancellation of this task was swallowed; for the head of a loop."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return True


async def cancel_and_wait(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel *tasks* until every one of them has ended; what they raise is not raised here."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_AGAIN)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen, so that it is not reported as forgotten

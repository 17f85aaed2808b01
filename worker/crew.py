"""The long-running tasks of a worker, and what becomes of the process when one of them ends."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from workitems.log import get_logger
from workitems.tasks import end

log = get_logger("worker")


class Crew:
    """The long-running tasks. None of them ends by itself: one that does ends the process, to be started anew."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.failed = False
        self._stop = stop

    @asynccontextmanager
    async def at_work(self, name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run *work* beside the others until the block ends."""
        task = self.begin(name, work)
        try:
            yield
        finally:
            await end(task)

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run *work* beside the others; the caller ends it."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("a part of the worker failed", part=task.get_name(), exc_info=error)
            self.failed = True
            self._stop.set()

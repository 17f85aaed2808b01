"""The long-running tasks of a worker. When one fails, the process ends."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from workitems.base.log import get_logger
from workitems.base.tasks import cancel_and_wait

log = get_logger("worker")


class ServiceTasks:
    """Starts the tasks. When one fails, it sets *stop*: the process ends, and supervisord starts it again."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.failed = False
        self._stop = stop

    @asynccontextmanager
    async def running(self, name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run *work* beside the others until the block ends."""
        task = self.start(name, work)
        try:
            yield
        finally:
            await cancel_and_wait(task)

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run *work* beside the others; the caller must end it."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("a part of the worker failed", part=task.get_name(), exc_info=error)
            self.failed = True
            self._stop.set()

"""Publishes and changes items, as the worker and people do. Repeats each step until Redis accepts it."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from workitems.base.errors import NotFoundError, StoreUnavailableError
from workitems.base.redis import connect
from workitems.base.tasks import cancel_and_wait
from workitems.intake.identity import item_id_from_raw
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore

#: Steps per second. Every fourth is a change, and every twentieth a burst of so many new items.
RATE = 25.0
BURST = 10

#: Seconds until Redis must have accepted a step.
_TIMEOUT = 60.0

_STATUSES = ("in_progress", "waiting", "done", "new")


class Publisher:
    """Publishes inside `async with publisher.busy()`. *preview*: the characters of text of each item."""

    def __init__(self, url: str, *, preview: int = 0) -> None:
        self.redis = connect(url, timeout=2)
        self._store = ItemStore(self.redis, max_events=10_000)
        self._preview = "x" * preview
        self._ids: list[str] = []
        self._steps = 0
        #: The cursors that Redis returned for new items: these events must be in the feed.
        self.promised: list[str] = []

    async def close(self) -> None:
        await self.redis.aclose()

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Take steps at a steady rate inside the block. At its end, finish the current step."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._work(stop))
        try:
            yield
            stop.set()
            async with asyncio.timeout(_TIMEOUT):
                await task
        finally:
            await cancel_and_wait(task)

    async def _work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.step()
            with suppress(TimeoutError):
                async with asyncio.timeout(1 / RATE):
                    await stop.wait()

    async def step(self) -> None:
        self._steps += 1
        if self._steps % 20 == 0:
            await asyncio.gather(*(self._create() for _ in range(BURST)))
        elif self._steps % 4 == 0 and self._ids:
            await self._change(random.choice(self._ids))
        else:
            await self._create()

    async def _create(self) -> None:
        n = len(self._ids)
        self._ids.append(item_id_from_raw("work", b"%d" % n))
        machine = {"subject": f"item {n}", "created_at": "2026-11-22T10:00:00Z", "preview": self._preview}
        published = await _until_accepted(lambda: self._store.publish(self._ids[n], "work", machine))
        if published.cursor:
            self.promised.append(published.cursor)

    async def _change(self, item_id: str) -> None:
        async def change() -> None:
            with suppress(NotFoundError):  # Redis lost the item
                item = await self._store.get(item_id)
                status = _STATUSES[(_STATUSES.index(item.status) + 1) % len(_STATUSES)]
                await self._store.change(item_id, ItemChange(status=status), who="ana")

        await _until_accepted(change)


async def _until_accepted(step: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(_TIMEOUT):
        while True:
            with suppress(StoreUnavailableError):
                return await step()
            await asyncio.sleep(0.05)

"""Publishes items and changes them, as the worker and people do: each step again and again until Redis took it."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from workitems.errors import NotFoundError, StoreUnavailableError
from workitems.identity import whole_id
from workitems.redis import connect
from workitems.store import Change, Store
from workitems.tasks import end

#: Steps a second, of which every fourth is a change and every twentieth a burst of so many new items.
RATE = 25.0
BURST = 10

#: Seconds until a step must have been taken.
_PATIENCE = 60.0

_STATUSES = ("in_progress", "waiting", "done", "new")


class Publisher:
    """Publishes within `async with publisher.busy()`; *preview* is how many characters each item carries along."""

    def __init__(self, url: str, *, preview: int = 0) -> None:
        self.redis = connect(url, timeout=2)
        self._store = Store(self.redis, history=10_000)
        self._preview = "x" * preview
        self._ids: list[str] = []
        self._steps = 0
        #: Cursors that Redis gave for new items: those are promised to be in the feed.
        self.promised: list[str] = []

    async def close(self) -> None:
        await self.redis.aclose()

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Steps at a steady pace meanwhile; the one that has begun is finished at the end."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._work(stop))
        try:
            yield
            stop.set()
            async with asyncio.timeout(_PATIENCE):
                await task
        finally:
            await end(task)

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
        self._ids.append(whole_id("work", b"%d" % n))
        machine = {"subject": f"item {n}", "created_at": "2026-11-22T10:00:00Z", "preview": self._preview}
        published = await _until_taken(lambda: self._store.publish(self._ids[n], "work", machine))
        if published.cursor:
            self.promised.append(published.cursor)

    async def _change(self, item_id: str) -> None:
        async def change() -> None:
            with suppress(NotFoundError):  # Redis came back without it
                item = await self._store.get(item_id)
                status = _STATUSES[(_STATUSES.index(item.status) + 1) % len(_STATUSES)]
                await self._store.change(item_id, Change(status=status), who="ana")

        await _until_taken(change)


async def _until_taken(step: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(_PATIENCE):
        while True:
            with suppress(StoreUnavailableError):
                return await step()
            await asyncio.sleep(0.05)

"""Watches one mailbox while this worker holds its lease; another worker's mailbox is left alone."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from worker.poller import Poller
from workitems.backoff import delay
from workitems.errors import LeaseLostError, StoreUnavailableError
from workitems.lease import Lease
from workitems.log import get_logger
from workitems.tasks import end, not_cancelled

log = get_logger("watching")

#: The longest wait in seconds before a mailbox is tried again that another worker holds, or that was just lost.
TRY = 3.0

#: Seconds between two tries to renew a lease while Redis cannot be asked.
RENEW_AGAIN = 0.5

#: Seconds to give the lease back.
RELEASE = 1.0

#: Work that is done beside the pollers while the lease is held.
Beside = Callable[[], Coroutine[Any, Any, None]]


class Watcher:
    """One mailbox: its lease, a poller for each of its folders, and what else is done only by who holds it."""

    def __init__(self, lease: Lease, pollers: Sequence[Poller], beside: Sequence[Beside] = ()) -> None:
        self._lease = lease
        self._pollers = pollers
        self._beside = beside
        self._stop = asyncio.Event()
        self._seconds = 0.0
        self._losses = 0

    @property
    def name(self) -> str:
        """The mailbox's."""
        return self._lease.mailbox

    @property
    def holds(self) -> bool:
        """Whether this worker watches it now."""
        return bool(self._lease.token)

    def stop(self, seconds: float) -> None:
        """Ask `run` to end: the pollers finish what is in hand, *seconds* at most, then the lease is given back."""
        self._seconds = seconds
        self._stop.set()

    async def run(self) -> None:
        """Watch whenever nobody else does, until `stop`."""
        others = False
        while not self._stop.is_set() and not_cancelled():
            try:
                left = await self._lease.take()
            except StoreUnavailableError:
                await self._pause(TRY)
                continue
            if left:
                if not others:
                    log.info("another worker watches the mailbox", mailbox=self.name)
                others = True
                await self._pause(min(left, TRY))
                continue
            others = False
            log.info("the mailbox is ours to watch", mailbox=self.name)
            await self._watch()
        with suppress(StoreUnavailableError, TimeoutError):
            async with asyncio.timeout(RELEASE):
                await self._lease.release()

    async def _watch(self) -> None:
        """Until the lease is lost or we are to stop; nothing of it goes on after."""
        loop = asyncio.get_running_loop()
        began, stopping = loop.time(), asyncio.create_task(self._stop.wait())
        parts = [asyncio.create_task(part()) for part in (self._keep, *self._beside, *(p.run for p in self._pollers))]
        try:
            ended, _ = await asyncio.wait([*parts, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            try:
                await asyncio.gather(*(poller.stop(self._seconds) for poller in self._pollers))
            finally:
                await end(*parts, stopping)
        for part in ended - {stopping}:
            error = None if part.cancelled() else part.exception()
            if error and not isinstance(error, LeaseLostError):
                raise error
        if not self._stop.is_set():
            await self._lost(loop.time() - began)

    async def _lost(self, lasted: float) -> None:
        """At once the first time: a Redis that lost its memory knows of no other worker. Then with growing waits."""
        self._losses = 0 if lasted > self._lease.seconds else self._losses + 1
        log.info("the mailbox's lease is lost", mailbox=self.name)
        if self._losses > 1:
            await self._pause(delay(self._losses, cap=TRY))

    async def _keep(self) -> None:
        """Renew the lease three times in its life; returns when it is another's.

        While Redis is away nobody can take it, and no poller can do anything; what became of it is seen afterwards.
        """
        wait = self._lease.seconds / 3
        while not_cancelled():
            await asyncio.sleep(wait)
            try:
                if await self._lease.take():
                    return
                wait = self._lease.seconds / 3
            except StoreUnavailableError:
                wait = RENEW_AGAIN

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

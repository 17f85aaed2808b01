"""Watches one mailbox while this worker holds its lease."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from worker.mailboxes.poller import Poller
from workitems.base.backoff import delay
from workitems.base.errors import LeaseLostError, StoreError
from workitems.base.log import get_logger
from workitems.base.tasks import cancel_and_wait, not_cancelled
from workitems.mailboxes.lease import Lease

log = get_logger("watching")

#: The longest wait in seconds before asking again for a lease that another worker holds, or that was just lost.
TRY = 3.0

#: Seconds between two attempts to renew a lease while Redis is unavailable.
RENEW_AGAIN = 0.5

#: Seconds to release the lease.
RELEASE = 1.0

#: A job that runs beside the pollers while the lease is held.
BackgroundJob = Callable[[], Coroutine[Any, Any, None]]


class Watcher:
    """One mailbox: its lease, a poller for each of its folders, and the jobs that need the lease too."""

    def __init__(self, lease: Lease, pollers: Sequence[Poller], beside: Sequence[BackgroundJob] = ()) -> None:
        self._lease = lease
        self._pollers = pollers
        self._background = beside
        self._stop = asyncio.Event()
        self._seconds = 0.0
        self._losses = 0

    @property
    def name(self) -> str:
        """The name of the mailbox."""
        return self._lease.mailbox

    @property
    def has_lease(self) -> bool:
        """Whether this worker watches the mailbox now."""
        return bool(self._lease.token)

    def stop(self, seconds: float) -> None:
        """Ask `run` to end. The pollers finish their work within *seconds*, then the lease is released."""
        self._seconds = seconds
        self._stop.set()

    async def run(self) -> None:
        """Watch whenever no other worker does, until `stop`."""
        is_watched_elsewhere = False
        while not self._stop.is_set() and not_cancelled():
            try:
                left = await self._lease.acquire()
            except StoreError:
                await self._pause(TRY)
                continue
            if left:
                if not is_watched_elsewhere:
                    log.info("another worker watches the mailbox", mailbox=self.name)
                is_watched_elsewhere = True
                await self._pause(min(left, TRY))
                continue
            is_watched_elsewhere = False
            log.info("the mailbox is ours to watch", mailbox=self.name)
            await self._run_pollers()
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(RELEASE):
                await self._lease.release()

    async def _run_pollers(self) -> None:
        """Run pollers and jobs until the lease is lost or `stop` is called. All of them have ended at the return."""
        loop = asyncio.get_running_loop()
        began, stopping = loop.time(), asyncio.create_task(self._stop.wait())
        tasks = [
            asyncio.create_task(job())
            for job in (self._renew_lease, *self._background, *(p.run for p in self._pollers))
        ]
        try:
            ended, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            try:
                await asyncio.gather(*(poller.stop(self._seconds) for poller in self._pollers))
            finally:
                await cancel_and_wait(*tasks, stopping)
        for task in ended - {stopping}:
            error = None if task.cancelled() else task.exception()
            if error and not isinstance(error, LeaseLostError):
                raise error
        if not self._stop.is_set():
            await self._handle_lease_loss(loop.time() - began)

    async def _handle_lease_loss(self, lasted: float) -> None:
        """Wait longer after each loss. Not after the first loss: a Redis that lost its data knows no other holder."""
        self._losses = 0 if lasted > self._lease.ttl_seconds else self._losses + 1
        log.info("the mailbox's lease is lost", mailbox=self.name)
        if self._losses > 1:
            await self._pause(delay(self._losses, cap=TRY))

    async def _renew_lease(self) -> None:
        """Renew the lease three times in its lifetime. Returns when another worker holds it.

        While Redis is unavailable no worker can take it, and no poller can do anything, so it is enough to try again.
        """
        wait = self._lease.ttl_seconds / 3
        while not_cancelled():
            await asyncio.sleep(wait)
            try:
                if await self._lease.acquire():
                    return
                wait = self._lease.ttl_seconds / 3
            except StoreError:
                wait = RENEW_AGAIN

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

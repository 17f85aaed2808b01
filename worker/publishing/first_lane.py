"""First readings: several mails at once, uncounted, each for a slice of CPU time."""

import asyncio
import contextlib
from functools import partial

from worker.publishing.careful_lane import CarefulLane
from worker.publishing.mail_publisher import MailPublisher
from worker.publishing.memory_budget import MemoryBudget
from worker.sandbox.failure import ReadFailedError, SandboxUnavailableError
from workitems.base.errors import StoreUnavailableError
from workitems.base.log import get_logger
from workitems.base.redis import BLOCK_SECONDS, RedisClient
from workitems.intake.consumer_group import ConsumerGroup, IntakeEntry

log = get_logger("reader")

#: Assumed size of a mail in bytes when its entry has none.
ASSUMED_MAIL_BYTES = 1024 * 1024

#: Bytes of a mail that does not wait for memory: all that are read at once are small beside the budget.
SMALL_BYTES = 64 * 1024

#: Seconds to wait for a further free slot before the next mails are taken.
SLOT_SECONDS = 0.02


class FirstLane:
    """Takes new mail and reads it. A mail that fails, or takes longer than its slice, goes to the careful lane."""

    def __init__(
        self,
        group: ConsumerGroup,
        blocking: RedisClient,
        publisher: MailPublisher,
        careful: CarefulLane,
        *,
        consumer: str,
        max_mails: int,
        max_bytes: int,
    ) -> None:
        self._group = group
        self._blocking = blocking
        self._publisher = publisher
        self._careful = careful
        self._consumer = consumer
        self._max_mails = max_mails
        self._memory = MemoryBudget(max_bytes)
        self._slot_freed = asyncio.Event()
        #: Entry id → the task that reads its mail.
        self.in_flight: dict[str, asyncio.Task[None]] = {}

    async def take_new(self) -> bool:
        """Take as many new mails as may be read at once. Return False when none came within BLOCK_SECONDS.

        Raises StoreUnavailableError, after which the caller waits before the next call.
        """
        while len(self.in_flight) > self._max_mails // 2:  # taken one by one, each mail would cost a round trip
            if not await self._is_slot_freed() and len(self.in_flight) < self._max_mails:
                break  # these mails are slow: new mail must not wait for half of them
        count = self._max_mails - len(self.in_flight)
        try:
            taken = await self._group.take(self._blocking, self._consumer, count=count, block_seconds=BLOCK_SECONDS)
        except StoreUnavailableError:
            await self._careful.recover_pending()  # the lost answer may have contained mail for us
            raise
        for entry in taken:
            if entry.entry_id in self.in_flight:  # Redis lost its last second or its group, and gives it again
                continue
            task = self.in_flight[entry.entry_id] = asyncio.create_task(self._read(entry))
            task.add_done_callback(partial(self._finish, entry))
        return bool(taken)

    async def _is_slot_freed(self) -> bool:
        """Wait for a free slot, for a short time only. Return whether one became free."""
        self._slot_freed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SLOT_SECONDS):
                return await self._slot_freed.wait()
        return False

    async def drain(self, seconds: float) -> None:
        """Wait up to *seconds* for the mails in progress, then cancel the rest, which stay in the intake."""
        if self.in_flight:
            _, late = await asyncio.wait(self.in_flight.values(), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _read(self, entry: IntakeEntry) -> None:
        size = entry.size or ASSUMED_MAIL_BYTES
        async with self._memory.reserve(size) if size > SMALL_BYTES else contextlib.nullcontext():
            await self._publisher.publish_mail(entry)

    def _finish(self, entry: IntakeEntry, task: asyncio.Task[None]) -> None:
        """Free the slot of a mail. If the mail was not published, log why and queue it for the careful lane."""
        del self.in_flight[entry.entry_id]
        self._slot_freed.set()
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if isinstance(error, StoreUnavailableError | SandboxUnavailableError):  # raised only while the worker stops
            log.info("a mail stays in the intake until the next start", item=entry.item_id, reason=str(error))
            return
        if isinstance(error, ReadFailedError):
            write_log = log.debug if error.kind == "timeout" else log.info  # to need more than a slice is no failure
            write_log("a mail could not be read at first", item=entry.item_id, reason=error.reason)
        else:
            log.error("a mail could not be processed at first", item=entry.item_id, exc_info=error)
        self._careful.add(entry, error if isinstance(error, ReadFailedError) else None)

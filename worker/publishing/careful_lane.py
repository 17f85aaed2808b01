"""Reads mail that takes longer than a slice, that failed before, or that a process left unfinished: a few at a time.

Each attempt is counted, and the count is written before the work, because the mail may end this process. After
MAX_ATTEMPTS counted attempts a mail is published as far as it can be read and marked for review: it never vanishes. The
first attempt is short. A mail that needs more waits behind mail that came later.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from worker.publishing.mail_publisher import MailPublisher, retry_reading_step
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.fair_queue import FairQueue
from workitems.base.errors import StoreError, StoreUnavailableError
from workitems.base.log import get_logger
from workitems.intake.consumer_group import ConsumerGroup, IntakeEntry

log = get_logger("reader")

#: Seconds to take back the count of an attempt that was cancelled.
UNCOUNT_SECONDS = 1.0

#: How much later the turn of a mail comes that has timed out, in turns of `FairQueue`: some 500 other mails pass it.
TIMED_OUT_DELAY = 8.0


class CarefulLane:
    """One worker's queue of such mail. Several tasks may call `retry_next`, each reads one mail.

    A mail that fails for an unknown reason leaves the queue and stays pending. After *min_idle_seconds* it is claimed
    again, so that it cannot block the lane.
    """

    def __init__(
        self,
        group: ConsumerGroup,
        publisher: MailPublisher,
        stop: asyncio.Event,
        *,
        consumer: str,
        min_idle_seconds: float,
        is_read_elsewhere: Callable[[str], bool],
    ) -> None:
        """*is_read_elsewhere* returns whether another lane of this worker has the entry with this id."""
        self._group = group
        self._publisher = publisher
        self._stop = stop
        self._consumer = consumer
        self._min_idle_seconds = min_idle_seconds
        self._is_read_elsewhere = is_read_elsewhere
        self._waiting: FairQueue[IntakeEntry] = FairQueue()
        #: Ids of the entries whose mail has timed out once.
        self._timed_out: set[str] = set()
        self._added = asyncio.Event()
        #: Entry id → the entry whose mail is being read.
        self.in_flight: dict[str, IntakeEntry] = {}

    def add(self, entry: IntakeEntry, error: ReadFailedError | None = None) -> None:
        """Queue one mail, whose last reading ended with *error*; those of each sender get their turn."""
        delay = TIMED_OUT_DELAY if entry.entry_id in self._timed_out else 0.0
        self._waiting.append(entry, error.sender if error else (), delay)
        self._added.set()

    async def recover_pending(self) -> None:
        """Queue the entries that this consumer took but no lane has: before a restart, or in a lost answer of Redis."""
        await retry_reading_step(self._recover_pending, self._stop, (StoreError,))

    async def retry_next(self) -> bool:
        """Read one mail. Return False when there is none after a wait."""
        if not self._waiting:
            found = await self._group.claim_abandoned(self._consumer, idle=self._min_idle_seconds)
            self._add_unknown(found)
        if not self._waiting:
            await self._wait_for_mail()
        if not self._waiting:  # another task may have taken it
            return False
        entry = self._waiting.pop()
        if entry.entry_id in self.in_flight:  # Redis gave it twice
            return True
        self.in_flight[entry.entry_id] = entry
        has_begun = False
        try:
            if await self._group.is_pending(self._consumer, entry.entry_id):
                has_begun = True
                await self._read(entry)
        except StoreUnavailableError:
            if not has_begun:
                self._waiting.restore(entry)
            raise
        finally:
            del self.in_flight[entry.entry_id]
        return True

    async def _wait_for_mail(self) -> None:
        self._added.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._min_idle_seconds / 4):
                await self._added.wait()

    async def _read(self, entry: IntakeEntry) -> None:
        before = await retry_reading_step(lambda: self._group.get_attempts(entry.item_id), self._stop)
        attempt = before + 1
        await retry_reading_step(lambda: self._group.set_attempts(entry, attempt), self._stop)
        # An error that we do not know is logged without the mail.
        log.info("a mail is read again", item=entry.item_id, attempt=attempt)
        try:
            await self._publisher.publish_mail(entry, attempt, has_timed_out=entry.entry_id in self._timed_out)
            self._timed_out.discard(entry.entry_id)
        except ReadFailedError as error:
            log.info("a mail could not be read", item=entry.item_id, attempt=attempt, reason=error.reason)
            if error.kind == "timeout":
                self._timed_out.add(entry.entry_id)
            self.add(entry, error)
        except asyncio.CancelledError:  # the worker stops: the mail is not the cause
            with contextlib.suppress(StoreUnavailableError, TimeoutError):
                async with asyncio.timeout(UNCOUNT_SECONDS):
                    await self._group.set_attempts(entry, before)
            raise

    async def _recover_pending(self) -> None:
        after = "0"
        while found := await self._group.read_pending(self._consumer, after=after):
            after = found[-1].entry_id
            self._add_unknown(found)

    def _add_unknown(self, found: Sequence[IntakeEntry]) -> None:
        known = {entry.entry_id for entry in self._waiting} | self.in_flight.keys()
        for entry in found:
            if entry.entry_id not in known and not self._is_read_elsewhere(entry.entry_id):
                self.add(entry)

"""Publishes one mail: load its versions, read them, build the publication, store the reading, publish."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from worker.publishing.missing_raw import publication_without_raw
from worker.publishing.publication import Publication
from worker.publishing.reading_metrics import CAREFUL, FAILED, FIRST, PUBLISHED, REMOVED, REVIEW, ReadingMetrics
from worker.publishing.version_reader import VersionReader
from worker.sandbox.failure import ReadFailedError, SandboxUnavailableError
from workitems.base import failpoint
from workitems.base.errors import DecodeError, NotFoundError, StoreUnavailableError
from workitems.base.log import get_logger
from workitems.base.retry import retry_until_available
from workitems.intake.consumer_group import IntakeEntry
from workitems.mailstore.sidecar import RawMail
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore

log = get_logger("reader")

#: Counted attempts after which a mail is published from its headers, and after which no child reads even these.
MAX_ATTEMPTS, MAX_HEADER_ATTEMPTS = 3, 5

_EACH_FAILED = "each attempt to read it ended the reading process"

T = TypeVar("T")


async def retry_reading_step(
    step: Callable[[], Awaitable[T]],
    stop: asyncio.Event,
    errors: tuple[type[Exception], ...] = (StoreUnavailableError, SandboxUnavailableError),
) -> T:
    """Repeat *step* until Redis, the disk and the children are available: their failure is not the mail's fault."""
    return await retry_until_available(
        step,
        stop,
        errors=errors,
        on_wait=lambda reason: log.warning("reading waits", reason=reason),
        on_resume=lambda: log.info("reading continues"),
    )


class MailPublisher:
    """Reads and publishes one mail per call. It waits while Redis, the disk or the children are not available."""

    def __init__(
        self,
        mailstore: MailStore,
        store: ItemStore,
        readings: VersionReader,
        stop: asyncio.Event,
        *,
        retry_seconds: float,
        metrics: ReadingMetrics | None = None,
    ) -> None:
        """*retry_seconds*: the time limit of each counted attempt. Once *stop* is set, it waits for nothing."""
        self._mailstore = mailstore
        self._store = store
        self._readings = readings
        self._stop = stop
        self._retry_seconds = retry_seconds
        self._metrics = metrics or ReadingMetrics()

    async def publish_mail(
        self, entry: IntakeEntry, attempt: int = 0, *, is_acknowledged: bool = False, has_timed_out: bool = False
    ) -> None:
        """Read and publish the mail of *entry*; *attempt* 0 is not counted and has only a slice of time.

        A counted attempt is short, unless the mail *has_timed_out* before. Raises ReadFailedError before attempt
        MAX_ATTEMPTS; from then on the mail is published as far as it can be read, and so is one that has timed out and
        does so again.
        """
        lane = CAREFUL if attempt else FIRST
        try:
            publication = await self._retry(lambda: self._read(entry, attempt, has_timed_out=has_timed_out))
        except ReadFailedError:
            self._metrics.count(lane, FAILED)
            raise
        failpoint.reach("read")
        unfinished = "" if is_acknowledged else entry.entry_id
        outcome = await self._retry(lambda: self._publish(entry, publication, unfinished))
        failpoint.reach("published")
        log.debug("published", item=entry.item_id, outcome=outcome)
        if outcome == "stale" and not is_acknowledged:
            # Another worker published a newer version meanwhile, and this one has overwritten its stored reading.
            await self.publish_mail(entry, max(attempt, 1), is_acknowledged=True, has_timed_out=True)
            return
        self._metrics.count(lane, REMOVED if outcome == "gone" else REVIEW if publication.is_quarantined else PUBLISHED)
        if outcome == "new":
            self._metrics.count_fields(entry.mailbox, publication.field_results)
        if outcome == "gone":  # the item was removed during the reading, so the stored files must go too
            await self._retry(lambda: self._mailstore.remove(entry.item_id))
        elif outcome == "renewed":  # another worker may have stored an older reading between the two steps
            await self._retry(lambda: self._store_reading(entry, publication))

    async def _retry(self, step: Callable[[], Awaitable[T]]) -> T:
        return await retry_reading_step(step, self._stop)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _read(self, entry: IntakeEntry, attempt: int, *, has_timed_out: bool = False) -> Publication:
        try:
            versions = await self._mailstore.get_raw_mails(entry.item_id)
        except (NotFoundError, DecodeError) as error:
            log.warning("mail that waits is not in the mail store", item=entry.item_id, reason=str(error))
            versions = []
        if not versions:
            return await publication_without_raw(self._mailstore, entry)
        failpoint.reach("reading")
        with self._metrics.time(CAREFUL if attempt else FIRST):
            if attempt > MAX_HEADER_ATTEMPTS:
                return self._readings.scan(versions, _EACH_FAILED)
            if attempt > MAX_ATTEMPTS:
                return await self._salvage(entry, versions, _EACH_FAILED)
            try:
                seconds = self._retry_seconds if attempt else None
                return await self._readings.read(versions, seconds=seconds, is_short=not has_timed_out)
            except ReadFailedError as error:
                is_last = attempt == MAX_ATTEMPTS or (has_timed_out and error.kind == "timeout")
                if not is_last:
                    raise
                return await self._salvage(entry, versions, error.reason, seconds=self._retry_seconds)

    async def _salvage(
        self, entry: IntakeEntry, versions: Sequence[RawMail], reason: str, *, seconds: float | None = None
    ) -> Publication:
        log.warning("a mail is published for review, as far as it can be read", item=entry.item_id, reason=reason)
        # A single version has just failed: there is no other to read whole.
        return await self._readings.salvage(versions, reason, seconds=seconds if len(versions) > 1 else None)

    # --- publishing -------------------------------------------------------------------------------------------------

    async def _publish(self, entry: IntakeEntry, publication: Publication, unfinished: str) -> str:
        """Store the reading, then publish it and acknowledge the entry *unfinished* in one step; return the outcome."""
        await self._store_reading(entry, publication)
        failpoint.reach("acknowledge")
        published = await self._store.publish(
            entry.item_id,
            entry.mailbox,
            publication.machine_part,
            raws=publication.fingerprints,
            entry=unfinished,
            message_id=publication.message_id,
            references=publication.references,
            participants=publication.participants,
            date=publication.reading.get("date"),
            is_automatic=publication.is_automatic,
            status=publication.status,
            quarantined=publication.is_quarantined,
            field_results=publication.field_results,
        )
        return published.outcome

    async def _store_reading(self, entry: IntakeEntry, publication: Publication) -> None:
        if publication.fingerprints:  # otherwise the reading belongs to no stored mail
            await self._mailstore.store_reading(entry.item_id, publication.reading, publication.attachments)

"""Connects the two lanes that read waiting mail, and keeps them running."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from worker.publishing.careful_lane import CarefulLane
from worker.publishing.first_lane import FirstLane
from worker.publishing.mail_publisher import MailPublisher, retry_reading_step
from worker.publishing.reading_metrics import ReadingMetrics
from worker.publishing.version_reader import VersionReader
from workitems.base.backoff import delay
from workitems.base.errors import StoreError, StoreUnavailableError
from workitems.base.log import get_logger
from workitems.base.redis import RedisClient
from workitems.base.retry import MAX_DELAY_SECONDS
from workitems.base.tasks import not_cancelled
from workitems.intake.consumer_group import ConsumerGroup
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore

log = get_logger("reader")


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """At most `max_mails` mails of `max_bytes` in total are read at once, a counted attempt for up to `read_seconds`.

    Of mail that failed or takes long, `careful_mails` are read at once.
    Another worker may claim a mail whose reader has not renewed its claim for `min_idle_seconds`.
    """

    max_mails: int = 128
    max_bytes: int = 64 * 1024 * 1024
    read_seconds: float = 20.0
    min_idle_seconds: float = 60.0
    careful_mails: int = 2


class IntakeReader:
    """One worker's reader. `run` continues until it is cancelled; `drain` waits for the mails in progress."""

    def __init__(
        self,
        group: ConsumerGroup,
        blocking: RedisClient,
        mailstore: MailStore,
        store: ItemStore,
        readings: VersionReader,
        *,
        consumer: str,
        limits: ReaderLimits,
        metrics: ReadingMetrics | None = None,
    ) -> None:
        self._group = group
        self._consumer = consumer
        self._min_idle_seconds = limits.min_idle_seconds
        self._careful_mails = limits.careful_mails
        self._stop = asyncio.Event()
        publisher = MailPublisher(
            mailstore, store, readings, self._stop, retry_seconds=limits.read_seconds, metrics=metrics
        )
        self._careful = CarefulLane(
            group,
            publisher,
            self._stop,
            consumer=consumer,
            min_idle_seconds=limits.min_idle_seconds,
            is_read_elsewhere=lambda entry_id: entry_id in self._first.in_flight,
        )
        self._first = FirstLane(
            group,
            blocking,
            publisher,
            self._careful,
            consumer=consumer,
            max_mails=limits.max_mails,
            max_bytes=limits.max_bytes,
        )

    async def run(self) -> None:
        """Take mail and read it until cancelled."""
        await retry_reading_step(self._group.ensure_group, self._stop, (StoreError,))
        await self._careful.recover_pending()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_forever(self._first.take_new))
            for _ in range(self._careful_mails):
                tasks.create_task(self._run_forever(self._careful.retry_next))
            tasks.create_task(self._run_forever(self._renew_claims))

    async def drain(self, seconds: float) -> None:
        """Wait up to *seconds* for first readings in progress, then cancel them: their mail stays in the intake."""
        self._stop.set()
        await self._first.drain(seconds)

    async def _renew_claims(self) -> bool:
        """Prevent other workers from claiming the mails that are being read here."""
        await self._group.renew_claims(self._consumer, [*self._first.in_flight, *self._careful.in_flight])
        await asyncio.sleep(self._min_idle_seconds / 4)
        return True

    async def _run_forever(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Repeat *step* until cancelled."""
        failures = 0
        while not_cancelled():
            try:
                await step()
                if failures:
                    log.info("reading continues")
                failures = 0
                continue
            except StoreUnavailableError as error:
                if failures == 0:
                    log.warning("reading waits", reason=str(error))
            except Exception:  # one mail, or one unknown error, must not end the reading of all others
                log.exception("a step of reading failed")
            await asyncio.sleep(delay(failures, cap=MAX_DELAY_SECONDS))
            failures += 1

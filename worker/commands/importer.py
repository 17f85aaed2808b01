"""Imports the mail that is in one folder already, oldest first, in batches. Continues an import that was stopped."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, TypeVar

from worker.commands.progress_bar import ProgressLine, format_bar
from worker.imap import CommandRefusedError, ImapError
from worker.mailboxes.connections import AccountConnector
from worker.mailboxes.fetcher import FetchedMail
from worker.mailboxes.folder_intake import CHUNK
from worker.mailboxes.folder_session import FolderSession, open_session
from worker.mailboxes.poller import MAX_INTAKE_WAIT_SECONDS, MAX_RECONNECT_SECONDS
from worker.mailboxes.suspect_uids import SuspectUids
from worker.mailboxes.watched_folder import WatchedFolder, make_origin
from workitems.base.backoff import delay
from workitems.base.errors import IntakeFullError, StoreUnavailableError
from workitems.base.retry import retry_until_available
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import BackfillCounts, FolderRecord
from workitems.mailboxes.import_progress import ImportProgress, ImportProgressStore

#: Attempts in a row, without a mail in between, to reach a mailbox before the import fails.
MAX_ATTEMPTS = 8

#: Seconds between two records of the progress for the page.
RECORD = 0.5

ImportStart = Literal["all"] | date

T = TypeVar("T")


@dataclass(slots=True)
class Counts:
    """How many mails were new (variants too), known, or `failed`: not given by the server."""

    new: int = 0
    known: int = 0
    failed: int = 0


class Importer:
    """One folder. `run` returns False when *stop* was set before all mail was taken."""

    def __init__(
        self,
        watch: WatchedFolder,
        access: AccountConnector,
        imports: ImportProgressStore,
        mailbox: FolderRecord,
        intake: Intake,
        line: ProgressLine,
        stop: asyncio.Event,
        *,
        max_waiting: int,
    ) -> None:
        self.counts = Counts()
        self.taken = self.total = 0
        self._watch = watch
        self._access = access
        self._imports = imports
        self._mailbox = mailbox
        self._intake = intake
        self._line = line
        self._stop = stop
        self._max_waiting = max_waiting
        self._oversized: set[int] = set()
        self._suspects = SuspectUids()
        self._began = time.monotonic()
        self._recorded = 0.0

    async def run(self, start: ImportStart | None) -> bool:
        """Take the mail that is there now. *start* None: continue an earlier import or take all. Raises ImapError."""
        failures, before = 0, 0
        try:
            while not self._stop.is_set():
                try:
                    return await self._import_once(start)
                except (ImapError, OSError) as error:
                    failures, before = (0 if self.taken > before else failures + 1), self.taken
                    hopeless = isinstance(error, ImapError) and error.permanent
                    if hopeless or isinstance(error, CommandRefusedError) or failures > MAX_ATTEMPTS:
                        raise
                    self._line.print(f"{error}. Trying again.")
                await self._pause(delay(failures, cap=MAX_RECONNECT_SECONDS))
            return False
        finally:
            with suppress(StoreUnavailableError):
                await self._mailbox.set_import_progress(None)

    async def _import_once(self, start: ImportStart | None) -> bool:
        session = await open_session(self._watch, self._access, self._oversized, self._suspects)
        try:
            record = await self._retry_until_available(lambda: self._record(session, start))
            found = await session.connection.search(record.uid + 1, since=record.since)
            uids = [uid for uid in found if uid <= record.last_uid]
            self.total = self.taken + len(uids)
            for at in range(0, len(uids), CHUNK):
                async with aclosing(session.fetcher.fetch_batches(uids[at : at + CHUNK])) as batches:
                    async for batch in batches:
                        await self._put_batch(batch, record)
                        if self._stop.is_set() and self.taken < self.total:
                            return False
            await self._retry_until_available(self._imports.finish)
            return True
        finally:
            await session.end()

    async def _record(self, session: FolderSession, start: ImportStart | None) -> ImportProgress:
        """Return the progress of an earlier import where it is still valid, else a new one."""
        since, folder = (start if isinstance(start, date) else None), session.folder
        known = await self._imports.get()
        if known and known.uidvalidity == folder.uidvalidity and (start is None or since == known.since):
            if known.uid and not self.taken:
                self._line.print(f"{self._watch.folder}: continuing after message {known.uid}.")
            return known
        if known and start is None:
            since = known.since
        fresh = ImportProgress(folder.uidvalidity, 0, await session.find_next_uid() - 1, since)
        await self._imports.save(fresh)
        return fresh

    # --- mail -------------------------------------------------------------------------------------------------------

    async def _put_batch(self, batch: Sequence[FetchedMail], record: ImportProgress) -> None:
        """Put *batch*, then save the progress. It is safe to put mail twice, but not to skip it."""
        pairs = [
            (mail.raw, make_origin(self._watch, mail, record.uidvalidity, moves=False))
            for mail in batch
            if mail.raw is not None
        ]
        await self._retry_until_available(lambda: self._require_capacity(len(pairs)))
        for receipt in await self._retry_until_available(lambda: self._intake.put_all(pairs)):
            if receipt.outcome in ("new", "variant"):
                self.counts.new += 1
            else:
                self.counts.known += 1
        missing = [mail.uid for mail in batch if mail.is_missing]
        if missing:
            self.counts.failed += len(missing)
            self._line.print(f"{self._watch.folder}: the server does not give {', '.join(map(str, missing))} whole.")
        await self._retry_until_available(lambda: self._imports.save(replace(record, uid=batch[-1].uid)))
        self.taken += len(batch)
        await self._show()

    async def _show(self) -> None:
        now = time.monotonic()
        self._line.show(format_bar(self._watch.folder, self.taken, self.total, now - self._began))
        if now - self._recorded >= RECORD:
            self._recorded = now
            with suppress(StoreUnavailableError):
                await self._mailbox.set_import_progress(BackfillCounts(self.taken, self.total))

    # --- waiting ----------------------------------------------------------------------------------------------------

    async def _require_capacity(self, mails: int) -> None:
        """Raise IntakeFullError unless all *mails* fit: after half a batch the counts would be wrong."""
        waiting = await self._intake.count_waiting()
        if waiting > max(0, self._max_waiting - mails):
            raise IntakeFullError(f"{waiting} mails wait to be read already")

    async def _retry_until_available(self, step: Callable[[], Awaitable[T]]) -> T:
        """Repeat *step* until Redis, the disk and the intake can take mail; print once why it waits."""
        return await retry_until_available(
            step,
            self._stop,
            errors=(StoreUnavailableError, IntakeFullError),
            max_delay_seconds=MAX_INTAKE_WAIT_SECONDS,
            on_wait=lambda reason: self._line.print(f"{self._watch.folder}: waiting. {reason}; it goes on by itself."),
        )

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

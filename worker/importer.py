"""Takes the mail that lies in one folder already, oldest first, in batches; goes on where it was broken off."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, TypeVar

from worker.access import Access
from worker.breakers import Breakers
from worker.fetching import Mail
from worker.imap import CommandRefusedError, ImapError
from worker.poller import CHUNK, INTAKE, RECONNECT
from worker.progress import Line, bar
from worker.session import Session, following, open_session
from worker.watch import Watch, origin
from workitems.backoff import delay
from workitems.errors import IntakeFullError, StoreUnavailableError
from workitems.imports import Import, Imports
from workitems.intake import Intake
from workitems.mailbox import Mailbox, Progress

#: Tries in a row, without a mail in between, to reach a mailbox before the import is given up.
TRIES = 8

#: Seconds between two records of the progress for the page.
RECORD = 0.5

Start = Literal["all"] | date

T = TypeVar("T")


@dataclass(slots=True)
class Counts:
    """What became of the mails; those with other bytes of a known mail are `new` too. `failed` could not be had."""

    new: int = 0
    known: int = 0
    failed: int = 0


class Importer:
    """One folder. `run` answers False when *stop* was set before all was taken."""

    def __init__(
        self, watch: Watch, access: Access, imports: Imports, mailbox: Mailbox, intake: Intake, line: Line,
        stop: asyncio.Event, *, most: int,
    ) -> None:  # fmt: skip
        self.counts = Counts()
        self.taken = self.todo = 0
        self._watch = watch
        self._access = access
        self._imports = imports
        self._mailbox = mailbox
        self._intake = intake
        self._line = line
        self._stop = stop
        self._most = most
        self._oversized: set[int] = set()
        self._breakers = Breakers()
        self._began = time.monotonic()
        self._recorded = 0.0

    async def run(self, start: Start | None) -> bool:
        """Take what is there now; *start* None: what was begun before, else all. Raises ImapError."""
        failures, before = 0, 0
        try:
            while not self._stop.is_set():
                try:
                    return await self._through(start)
                except (ImapError, OSError) as error:
                    failures, before = (0 if self.taken > before else failures + 1), self.taken
                    hopeless = isinstance(error, ImapError) and error.permanent
                    if hopeless or isinstance(error, CommandRefusedError) or failures > TRIES:
                        raise
                    self._line.say(f"{error}. It is tried again.")
                await self._pause(delay(failures, cap=RECONNECT))
            return False
        finally:
            with suppress(StoreUnavailableError):
                await self._mailbox.importing(None)

    async def _through(self, start: Start | None) -> bool:
        session = await open_session(self._watch, self._access, self._oversized, self._breakers)
        try:
            record = await self._patiently(lambda: self._record(session, start))
            found = await session.connection.search(record.uid + 1, since=record.since)
            uids = [uid for uid in found if uid <= record.last]
            self.todo = self.taken + len(uids)
            for at in range(0, len(uids), CHUNK):
                async with aclosing(session.fetcher.hands(uids[at : at + CHUNK])) as hands:
                    async for hand in hands:
                        await self._keep(hand, record)
                        if self._stop.is_set() and self.taken < self.todo:
                            return False
            await self._patiently(self._imports.finish)
            return True
        finally:
            await session.end()

    async def _record(self, session: Session, start: Start | None) -> Import:
        """What was begun before, where that still means something; else a new beginning."""
        since, folder = (start if isinstance(start, date) else None), session.folder
        known = await self._imports.get()
        if known and known.uidvalidity == folder.uidvalidity and (start is None or since == known.since):
            if known.uid and not self.taken:
                self._line.say(f"{self._watch.folder}: it goes on after message {known.uid}.")
            return known
        if known and start is None:
            since = known.since
        fresh = Import(folder.uidvalidity, 0, await following(session) - 1, since)
        await self._imports.put(fresh)
        return fresh

    # --- mail -------------------------------------------------------------------------------------------------------

    async def _keep(self, hand: Sequence[Mail], record: Import) -> None:
        """Put *hand*, then remember how far it goes: what is put twice does no harm, what is passed over would."""
        pairs = [
            (mail.raw, origin(self._watch, mail, record.uidvalidity, moves=False))
            for mail in hand
            if mail.raw is not None
        ]
        await self._patiently(lambda: self._room(len(pairs)))
        for receipt in await self._patiently(lambda: self._intake.put_all(pairs)):
            if receipt.outcome in ("new", "variant"):
                self.counts.new += 1
            else:
                self.counts.known += 1
        missing = [mail.uid for mail in hand if mail.missing]
        if missing:
            self.counts.failed += len(missing)
            self._line.say(f"{self._watch.folder}: the server does not give {', '.join(map(str, missing))} whole.")
        await self._patiently(lambda: self._imports.put(replace(record, uid=hand[-1].uid)))
        self.taken += len(hand)
        await self._show()

    async def _show(self) -> None:
        now = time.monotonic()
        self._line.show(bar(self._watch.folder, self.taken, self.todo, now - self._began))
        if now - self._recorded >= RECORD:
            self._recorded = now
            with suppress(StoreUnavailableError):
                await self._mailbox.importing(Progress(self.taken, self.todo))

    # --- waiting ----------------------------------------------------------------------------------------------------

    async def _room(self, mails: int) -> None:
        """IntakeFullError while there is none for all of them: of a hand that is put by halves the counts are wrong."""
        waiting = await self._intake.waiting()
        if waiting > max(0, self._most - mails):
            raise IntakeFullError(f"{waiting} mails wait to be read already")

    async def _patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do *step* until Redis, the disk and the intake serve it, and say once why it waits."""
        tries = 0
        while True:
            try:
                return await step()
            except (StoreUnavailableError, IntakeFullError) as error:
                if self._stop.is_set():
                    raise
                if tries == 0:
                    self._line.say(f"{self._watch.folder}: waiting. {error}; it goes on by itself.")
            await self._pause(delay(tries, cap=INTAKE))
            tries += 1

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

"""Watches one folder and puts all its mail into the intake, in the order of UIDs. The mailbox is not changed.

IDLE is a hint. What counts is a SEARCH from the checkpoint, after every hint and at least once in `poll_seconds`. While
the intake, Redis or the disk cannot take mail, the poller waits: the mail is safe in the mailbox.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from worker.imap import ImapError, LoginRefusedError, TokenUnavailableError
from worker.mailboxes.connections import AccountConnector
from worker.mailboxes.folder_health import FolderHealthRecorder
from worker.mailboxes.folder_intake import FolderIntake
from worker.mailboxes.folder_session import FolderSession, load_checkpoint, open_session
from worker.mailboxes.suspect_uids import SuspectUids
from worker.mailboxes.watched_folder import WatchedFolder
from workitems.base.backoff import delay
from workitems.base.errors import IntakeFullError, LeaseLostError, StoreUnavailableError, TubepostError
from workitems.base.log import get_logger
from workitems.base.retry import retry_until_available
from workitems.base.tasks import cancel_and_wait, not_cancelled
from workitems.intake.put import Intake
from workitems.mailboxes import checkpoint as state
from workitems.mailboxes.checkpoint import Checkpoint, FolderRecord

log = get_logger("poller")

#: The longest wait in seconds between two attempts to reach a mailbox, and to put mail.
MAX_RECONNECT_SECONDS, MAX_INTAKE_WAIT_SECONDS = 60.0, 15.0

#: The longest wait in seconds that a provider of access tokens may ask for.
MAX_TOKEN_WAIT_SECONDS = 600.0

#: Seconds after which a connection was a good one. When it ends, the back-off starts again.
STEADY = 30.0

#: The longest time in seconds between two round trips, also where `poll_seconds` is longer.
LONGEST_QUIET = 300.0

#: With so many mails in one search there may be more, since some servers list a page at a time.
PAGE = 50

#: Seconds to wait after a poll that found nothing although the server had announced mail. A server that always
#: announces mail must not keep the worker busy.
EMPTY_ROUND_SECONDS = 0.025

T = TypeVar("T")


class Poller:
    """One folder. `run` ends with `stop`, or when the mailbox's lease is lost. Then it may be called again."""

    def __init__(
        self,
        watch: WatchedFolder,
        mailbox: FolderRecord,
        intake: Intake,
        access: AccountConnector | None = None,
        *,
        worker: str = "",
    ) -> None:
        self._folder = watch
        self._mailbox = mailbox
        self._intake = intake
        self._access = access or AccountConnector()
        self._health = FolderHealthRecorder(mailbox, worker=worker, quiet=min(watch.poll_seconds, LONGEST_QUIET))
        self._mail = FolderIntake(
            watch, mailbox, intake, self._health, self._retry_until_available, lambda: self._stop.is_set()
        )
        self._session: FolderSession | None = None
        self._last_checkpoint: Checkpoint | None = None
        self._oversized: set[int] = set()
        self._suspects = SuspectUids()
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Watch until stopped. Raises LeaseLostError. Only a complete poll, or a long session, ends the back-off."""
        self._running = asyncio.current_task()
        failures = 0
        while not self._stop.is_set() and not_cancelled():
            try:
                was_announced = self._session is not None and self._session.has_news
                if not await self.poll_once() and was_announced:
                    await self._pause(EMPTY_ROUND_SECONDS)
                await self._wait()
                failures = 0
                continue
            except LeaseLostError:
                raise
            except (TubepostError, OSError) as error:
                if self._stop.is_set():
                    break
                if self._session and self._session.age >= STEADY:
                    failures = 0
                seconds = await self._handle_error(error, failures)
            except Exception:  # an error of ours in one folder must not end the other mailboxes
                log.exception("watching failed", mailbox=self._folder.mailbox, folder=self._folder.folder)
                await self._health.record(state.FAILING, "an error of the program; see its log")
                seconds = delay(failures, base=2.0, cap=MAX_RECONNECT_SECONDS)
            await self._close_session()
            failures += 1
            await self._pause(seconds)

    async def stop(self, seconds: float) -> None:
        """End `run` at its next wait, or cancel it after *seconds*. Then log out."""
        self._stop.set()
        if self._running:
            await asyncio.wait([self._running], timeout=seconds)
            await cancel_and_wait(self._running)
            self._running = None
            self._stop.clear()
        self._health.stop()
        if session := self._session:
            self._session = None
            await session.end()

    async def poll_once(self) -> bool:
        """Put the new mail, and connect first where needed. Returns whether there was any.

        Raises ImapError, LeaseLostError.
        """
        session = self._session or await self._open()
        known = await self._retry_until_available(
            lambda: load_checkpoint(session, self._folder, self._mailbox, self._last_checkpoint)
        )
        if self._last_checkpoint and self._last_checkpoint.uidvalidity != known.uidvalidity:
            self._oversized.clear()
            self._suspects.clear()
            self._mail.clear()
        self._last_checkpoint = known
        if not session.has_news:
            await session.connection.noop()  # some servers announce new mail only when asked
        session.has_news = False
        await self._retry_until_available(self._intake.require_safe)
        taken = await self._mail.retry_unfetched(session, known.uidvalidity)
        new = await session.find_new_uids(known)
        # All mail that was there may be older than the start, but not mail that is listed and not given yet.
        last_old = min([known.below, *new.doubtful[:1]]) - 1
        if known.since and not new.assigned and known.uid < last_old:
            await self._retry_until_available(lambda: self._mailbox.advance_checkpoint(known.uidvalidity, last_old))
        taken += await self._mail.put_assigned(session, known.uidvalidity, new.assigned)
        while len(new.assigned) >= PAGE and not self._stop.is_set():
            # Not past a UID that FETCH did not give: the put of higher mail would move the checkpoint past it.
            last = min(new.assigned[-1], session.doubtful_from - 1)
            new = await session.find_new_uids(replace(known, uid=last))
            taken += await self._mail.put_assigned(session, known.uidvalidity, new.assigned)
        taken += await self._mail.put_doubtful(session, known.uidvalidity, new.doubtful)
        await self._health.record(state.WATCHING)
        return taken > 0

    async def _open(self) -> FolderSession:
        if not self._health.state:
            await self._health.record(state.CONNECTING)
        self._session = await open_session(self._folder, self._access, self._oversized, self._suspects)
        return self._session

    async def _close_session(self) -> None:
        if session := self._session:
            self._session = None
            await session.connection.close()

    # --- waiting ----------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Wait until the server announces mail, or it is time for the next poll."""
        if self._session:
            self._session.has_news = await self._session.connection.idle(self._folder.poll_seconds, self._stop)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    async def _handle_error(self, error: Exception, failures: int) -> float:
        """Record *error*. Returns the seconds until the next attempt, after *failures* in a row before this one."""
        if isinstance(error, ImapError) and error.is_token_expired and not failures:
            return 0.0  # the end of an access token is normal, and no failure
        refused = isinstance(error, LoginRefusedError)
        await self._health.record(state.NEEDS_SIGN_IN if refused else state.FAILING, str(error) or type(error).__name__)
        requested = min(MAX_TOKEN_WAIT_SECONDS, error.retry_after) if isinstance(error, TokenUnavailableError) else 0.0
        return max(delay(failures, cap=MAX_RECONNECT_SECONDS), requested, self._access.retry_after if refused else 0.0)

    async def _retry_until_available(self, step: Callable[[], Awaitable[T]]) -> T:
        """Repeat *step* until Redis, the disk and the intake can take mail; unfetched mail stays in its mailbox."""
        return await retry_until_available(
            step,
            self._stop,
            errors=(StoreUnavailableError, IntakeFullError),
            max_delay_seconds=MAX_INTAKE_WAIT_SECONDS,
            on_failure=partial(self._health.record, state.PAUSED),
        )

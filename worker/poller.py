"""Watches one mailbox: every mail in it is put into the intake, in the order of UIDs; the mailbox is left as it is.

IDLE is a hint; a search from the checkpoint is the truth, after every wake-up and at least once a `poll`. While the
intake, Redis or the disk cannot take mail, the poller waits: the mailbox is the buffer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from worker import baseline
from worker.fetching import Fetcher, Mail
from worker.imap import Account, Connection, Folder, ImapError, LoginRefusedError, connect
from worker.wanted import wanted
from workitems import mailbox as state
from workitems.backoff import delay
from workitems.errors import IntakeFullError, LeaseLostError, StoreUnavailableError, TubepostError
from workitems.intake import Intake, Origin
from workitems.log import get_logger
from workitems.mailbox import Checkpoint, Mailbox
from workitems.tasks import not_cancelled

log = get_logger("poller")

#: The longest wait in seconds between two tries to reach a mailbox, for one that refuses our login, and for the intake.
RECONNECT, SIGN_IN, INTAKE = 60.0, 600.0, 15.0

#: The shortest wait for one that refuses our login: servers lock those out who try often.
SIGN_IN_BASE = 120.0

#: UIDs whose sizes are asked for at once.
CHUNK = 1000

#: Mails, and bytes of mail, that are stored at once.
HAND, HAND_BYTES = 16, 1 << 20

#: Times that mail which is owed is asked for again, once a check, before it is given up.
OWED_TRIES = 20

#: Seconds for a goodbye.
LOGOUT = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched: `poll` in seconds, `largest` in bytes; `signed` gives the account when it is needed."""

    name: str
    account: Callable[[], Account]
    folder: str = "INBOX"
    start: baseline.Start = "now"
    poll: float = 60.0
    largest: int = 50 * 1024 * 1024


@dataclass(slots=True)
class Session:
    """An open mailbox."""

    connection: Connection
    folder: Folder
    fetcher: Fetcher = field(init=False)
    #: Whether the server has just said what there is.
    told: bool = True


class Poller:
    """One mailbox. `run` goes on until `stop`."""

    def __init__(self, watch: Watch, mailbox: Mailbox, intake: Intake) -> None:
        self._watch = watch
        self._mailbox = mailbox
        self._intake = intake
        self._session: Session | None = None
        self._oversized: set[int] = set()
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._told: tuple[str, str] = ("", "")
        self._told_at = 0.0

    async def run(self, after: float = 0.0) -> None:
        """Watch until cancelled or stopped, from *after* seconds on. Only a completed sync ends the back-off."""
        self._running = asyncio.current_task()
        await self._pause(after)
        failures = 0
        while not self._stop.is_set() and not_cancelled():
            try:
                await self.poll_once()
                failures = 0
                await self._wait()
                continue
            except LoginRefusedError as error:
                await self._failed(state.NEEDS_SIGN_IN, error)
                seconds = SIGN_IN_BASE + delay(failures, base=SIGN_IN_BASE / 4, cap=SIGN_IN - SIGN_IN_BASE)
            except (TubepostError, OSError) as error:
                await self._failed(state.FAILING, error)
                seconds = delay(failures, cap=RECONNECT)
            except Exception:
                log.exception("watching failed", mailbox=self._watch.name)
                await self._tell(state.FAILING, "an error of the program; see its log")
                seconds = delay(failures, base=2.0, cap=RECONNECT)
            await self._drop()
            failures += 1
            await self._pause(seconds)

    async def stop(self, seconds: float) -> None:
        """End `run`: at its next wait, or cancelled in the midst of its work after *seconds*; then say goodbye."""
        self._stop.set()
        if self._running:
            await asyncio.wait([self._running], timeout=seconds)
            self._running.cancel()
            await asyncio.wait([self._running])
        if session := self._session:
            self._session = None
            try:
                async with asyncio.timeout(LOGOUT):
                    await session.connection.logout_and_close()
            except TimeoutError:
                await session.connection.close()

    async def poll_once(self) -> bool:
        """Take what is new, connecting first where that is needed; True when there was some. Raises ImapError."""
        session = self._session or await self._open()
        checkpoint = await self._patiently(lambda: self._checkpoint(session))
        if not session.told:
            await session.connection.noop()  # a server may keep new mail to itself until it is asked for news
        session.told = False
        taken = await self._settle_debts(session, checkpoint)
        uids = await wanted(session.connection, checkpoint)
        # All that was there may be older than the mailbox's start.
        if checkpoint.since and not uids and checkpoint.uid < checkpoint.below - 1:
            await self._patiently(lambda: self._mailbox.advance(checkpoint.uidvalidity, checkpoint.below - 1))
        for start in range(0, len(uids), CHUNK):
            taken += await self._take(session, checkpoint, uids[start : start + CHUNK])
        await self._tell(state.WATCHING)
        return taken > 0

    # --- connection and checkpoint ----------------------------------------------------------------------------------

    async def _open(self) -> Session:
        if not self._told[0]:
            await self._tell(state.CONNECTING)
        connection = await connect(self._watch.account())
        try:
            session = Session(connection, await connection.select(self._watch.folder))
        except BaseException:
            await connection.close()
            raise
        session.fetcher = Fetcher(connection, self._watch.largest, self._oversized)
        self._session = session
        log.info("mailbox opened", mailbox=self._watch.name, messages=session.folder.exists)
        return session

    async def _drop(self) -> None:
        if session := self._session:
            self._session = None
            await session.connection.close()

    async def _checkpoint(self, session: Session) -> Checkpoint:
        """How far the mailbox was taken; decided now when it was never seen, or when its mail has new numbers."""
        known, folder = await self._mailbox.checkpoint(), session.folder
        if known and known.uidvalidity == folder.uidvalidity:
            return known
        following = folder.uidnext or max(await session.connection.search(1), default=0) + 1
        if known is None:
            fresh = baseline.first_sight(self._watch.start, folder, following, datetime.now(UTC).date())
        else:
            fresh = baseline.renumbered(known, folder, following)
            self._oversized.clear()
        await self._mailbox.begin(fresh)
        log.info(
            "mailbox seen for the first time" if known is None else "the mailbox numbers its mail anew",
            mailbox=self._watch.name, uidvalidity=fresh.uidvalidity, after_uid=fresh.uid,
        )  # fmt: skip
        return fresh

    # --- mail -------------------------------------------------------------------------------------------------------

    async def _take(self, session: Session, checkpoint: Checkpoint, uids: Sequence[int]) -> int:
        """Put the mail of *uids* in their order; answers how many there were."""
        taken, missing, hand = 0, list[int](), list[Mail]()
        async for mail in session.fetcher.mails(uids):
            if mail.missing:
                missing.append(mail.uid)
            if mail.raw is not None:
                hand.append(mail)
            if len(hand) >= HAND or sum(len(each.raw or b"") for each in hand) >= HAND_BYTES:
                taken += await self._keep(hand, missing, checkpoint.uidvalidity)
        taken += await self._keep(hand, missing, checkpoint.uidvalidity)
        await self._patiently(lambda: self._mailbox.advance(checkpoint.uidvalidity, uids[-1]))
        return taken

    async def _keep(self, hand: list[Mail], missing: list[int], uidvalidity: int) -> int:
        """Put *hand* and empty both; what is *missing* is remembered first: a put moves the checkpoint past it."""
        if missing:
            await self._owe(missing)
            missing.clear()
        taken = await self._put(hand, uidvalidity)
        hand.clear()
        return taken

    async def _put(self, mails: Sequence[Mail], uidvalidity: int) -> int:
        """Put *mails* in their order; how many they are."""
        pairs = [(mail.raw or b"", self._origin(mail, uidvalidity)) for mail in mails]
        for mail, receipt in zip(mails, await self._patiently(lambda: self._intake.put_all(pairs)), strict=True):
            log.debug("put", mailbox=self._watch.name, uid=mail.uid, item=receipt.id, outcome=receipt.outcome)
        return len(mails)

    def _origin(self, mail: Mail, uidvalidity: int) -> Origin:
        return Origin(
            mailbox=self._watch.name,
            arrived=mail.arrived or datetime.now(UTC),
            source="imap",
            size=mail.size,
            oversized=mail.oversized,
            folder=self._watch.folder,
            uidvalidity=uidvalidity,
            uid=mail.uid,
        )

    async def _owe(self, missing: Sequence[int]) -> None:
        """Remember mail that is listed and cannot be had. ImapError when it is so much that the server must be ill."""
        owed = await self._patiently(self._mailbox.owed)
        owed.update({uid: 0 for uid in missing if uid not in owed})
        if len(owed) > state.MOST_OWED:
            raise ImapError(f"the server lists mail and does not give it: {len(owed)} messages by now")
        await self._patiently(lambda: self._mailbox.owe(owed))
        log.warning("mail is listed and cannot be fetched", mailbox=self._watch.name, uids=str(list(missing)))

    async def _settle_debts(self, session: Session, checkpoint: Checkpoint) -> int:
        """Ask again for what is owed; what came, or is gone by now, is settled."""
        before = await self._patiently(self._mailbox.owed)
        if not before:
            return 0
        taken, owed = 0, dict[int, int]()
        async for mail in session.fetcher.mails(sorted(before)):
            if mail.raw is not None:
                taken += await self._put([mail], checkpoint.uidvalidity)
            if mail.missing:
                owed[mail.uid] = before[mail.uid] + 1
        hopeless = [uid for uid, tries in owed.items() if tries >= OWED_TRIES]
        if hopeless:
            log.error(
                "mail is given up: it is listed and cannot be fetched", mailbox=self._watch.name, uids=str(hopeless)
            )
        left = {uid: tries for uid, tries in owed.items() if uid not in hopeless}
        await self._patiently(lambda: self._mailbox.owe(left, given_up=len(hopeless)))
        return taken

    # --- waiting ----------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Until the server says that there is more, or it is time to look anyway."""
        if self._session:
            self._session.told = await self._session.connection.idle(self._watch.poll, self._stop)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    async def _patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do *step* until Redis, the disk and the intake serve it; mail that was not fetched yet stays where it is."""
        tries = 0
        while True:
            try:
                return await step()
            except (StoreUnavailableError, IntakeFullError, LeaseLostError) as error:
                if self._stop.is_set():
                    raise
                await self._tell(state.PAUSED, str(error))
            await self._pause(delay(tries, cap=INTAKE))
            tries += 1

    async def _failed(self, what: str, error: Exception) -> None:
        await self._tell(what, str(error) or type(error).__name__)

    async def _tell(self, what: str, error: str = "") -> None:
        """Log a change of state once, and record it where the server shows it; that may fail without harm."""
        told, now = (what, error), time.monotonic()
        if told == self._told and now - self._told_at < min(5.0, self._watch.poll):
            return
        if told != self._told and what != state.CONNECTING:
            level = log.info if what == state.WATCHING else log.warning
            level("mailbox", mailbox=self._watch.name, state=what, **({"reason": error} if error else {}))
        self._told, self._told_at = told, now
        with suppress(StoreUnavailableError):
            await self._mailbox.tell(what, error)

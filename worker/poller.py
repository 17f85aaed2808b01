"""Watches one folder: every mail in it is put into the intake, in the order of UIDs; the mailbox is left as it is.

IDLE is a hint; a search from the checkpoint is the truth, after every wake-up and at least once a `poll`. While the
intake, Redis or the disk cannot take mail, the poller waits: the mailbox is the buffer.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from worker.access import Access
from worker.breakers import Breakers
from worker.fetching import Mail
from worker.health import Health
from worker.imap import ImapError, LoginRefusedError
from worker.session import Session, checkpoint, open_session
from worker.wanted import wanted
from worker.watch import Watch, origin
from workitems import mailbox as state
from workitems.backoff import delay
from workitems.errors import IntakeFullError, LeaseLostError, StoreUnavailableError, TubepostError
from workitems.intake import Intake, Origin
from workitems.log import get_logger
from workitems.mailbox import Checkpoint, Mailbox, Progress
from workitems.tasks import end, not_cancelled

log = get_logger("poller")

#: The longest wait in seconds between two tries to reach a mailbox, and for the intake.
RECONNECT, INTAKE = 60.0, 15.0

#: The longest wait in seconds that a provider of access tokens may ask for.
TOKENS = 600.0

#: Seconds after which a connection was a good one: its end is no reason to wait longer than the last time.
STEADY = 30.0

#: The longest time in seconds between two round trips, however rarely a mailbox is to be polled.
LONGEST_QUIET = 300.0

#: Mails of one search from which on there may be more: some servers list a page at a time.
PAGE = 50

#: UIDs whose sizes are asked for at once.
CHUNK = 1000

#: Mails that lie there from which on it is told how far their taking has come.
BACKLOG = 200

#: Seconds that a round lasts longer which found nothing though the server had told of mail: one that always tells of
#: some must not keep us, and with us all other mailboxes, from ever resting.
VAIN = 0.025

#: Times that mail which is owed is asked for again, once a check, before it is given up.
OWED_TRIES = 20

T = TypeVar("T")


class Poller:
    """One folder. `run` goes on until `stop`, or until the mailbox's lease is lost; then it may be run again."""

    def __init__(
        self, watch: Watch, mailbox: Mailbox, intake: Intake, access: Access | None = None, *, worker: str = ""
    ) -> None:
        self._watch = watch
        self._mailbox = mailbox
        self._intake = intake
        self._access = access or Access()
        self._health = Health(mailbox, worker=worker, quiet=min(watch.poll, LONGEST_QUIET))
        self._session: Session | None = None
        self._last: Checkpoint | None = None
        self._oversized: set[int] = set()
        self._breakers = Breakers()
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Watch until stopped. Raises LeaseLostError. Only a whole round, or a long session, ends the back-off."""
        self._running = asyncio.current_task()
        failures = 0
        while not self._stop.is_set() and not_cancelled():
            try:
                hinted = self._session is not None and self._session.told
                if not await self.poll_once() and hinted:
                    await self._pause(VAIN)
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
                seconds = await self._after(error, failures)
            except Exception:
                log.exception("watching failed", mailbox=self._watch.name, folder=self._watch.folder)
                await self._health.tell(state.FAILING, "an error of the program; see its log")
                seconds = delay(failures, base=2.0, cap=RECONNECT)
            await self._drop()
            failures += 1
            await self._pause(seconds)

    async def stop(self, seconds: float) -> None:
        """End `run`: at its next wait, or cancelled in the midst of its work after *seconds*; then say goodbye."""
        self._stop.set()
        if self._running:
            await asyncio.wait([self._running], timeout=seconds)
            await end(self._running)
            self._running = None
            self._stop.clear()
        self._health.rest()
        if session := self._session:
            self._session = None
            await session.end()

    async def poll_once(self) -> bool:
        """Take what is new, connecting first where that is needed; True when there was some.

        Raises ImapError, LeaseLostError.
        """
        session = self._session or await self._open()
        known = await self._patiently(lambda: checkpoint(session, self._watch, self._mailbox, self._last))
        if self._last and self._last.uidvalidity != known.uidvalidity:  # UIDs mean other mails now
            self._oversized.clear()
            self._breakers.forget()
        self._last = known
        if not session.told:
            await session.connection.noop()  # a server may keep new mail to itself until it is asked for news
        session.told = False
        taken = await self._settle_debts(session, known)
        uids = await wanted(session.connection, known)
        # All that was there may be older than the mailbox's start.
        if known.since and not uids and known.uid < known.below - 1:
            await self._patiently(lambda: self._mailbox.advance(known.uidvalidity, known.below - 1))
        taken += await self._take(session, known, uids)
        while len(uids) >= PAGE and not self._stop.is_set():
            uids = await wanted(session.connection, replace(known, uid=uids[-1]))
            taken += await self._take(session, known, uids)
        await self._health.tell(state.WATCHING)
        return taken > 0

    async def _open(self) -> Session:
        if not self._health.state:
            await self._health.tell(state.CONNECTING)
        self._session = await open_session(self._watch, self._access, self._oversized, self._breakers)
        return self._session

    async def _drop(self) -> None:
        if session := self._session:
            self._session = None
            await session.connection.close()

    # --- mail -------------------------------------------------------------------------------------------------------

    async def _take(self, session: Session, known: Checkpoint, uids: Sequence[int]) -> int:
        """Put the mail of *uids* in their order; answers how many there were."""
        taken = 0
        try:
            for start in range(0, len(uids), CHUNK):
                chunk = uids[start : start + CHUNK]
                async with aclosing(session.fetcher.hands(chunk)) as hands:
                    async for hand in hands:
                        taken += await self._keep(hand, known.uidvalidity)
                        if len(uids) > BACKLOG:
                            passed = start + bisect_right(chunk, hand[-1].uid)
                            self._health.progress = Progress(passed, len(uids))
                        await self._health.tell(state.WATCHING)
                        if self._stop.is_set():
                            return taken
                await self._patiently(partial(self._mailbox.advance, known.uidvalidity, chunk[-1]))
        finally:
            self._health.progress = None
        return taken

    async def _keep(self, hand: Sequence[Mail], uidvalidity: int) -> int:
        """Put *hand*; what is missing of it is remembered first, since a put moves the checkpoint past it."""
        missing = [mail.uid for mail in hand if mail.missing]
        if missing:
            await self._owe(missing)
        return await self._put([mail for mail in hand if mail.raw is not None], uidvalidity)

    async def _put(self, mails: Sequence[Mail], uidvalidity: int) -> int:
        """Put *mails* in their order; how many they are."""

        def pairs() -> list[tuple[bytes, Origin]]:
            # Made for each try: the lease may have been taken anew in between.
            token = self._mailbox.token
            return [(mail.raw or b"", origin(self._watch, mail, uidvalidity, token=token)) for mail in mails]

        receipts = await self._patiently(lambda: self._intake.put_all(pairs()))
        for mail, receipt in zip(mails, receipts, strict=True):
            log.debug("put", mailbox=self._watch.name, uid=mail.uid, item=receipt.id, outcome=receipt.outcome)
        return len(mails)

    async def _owe(self, missing: Sequence[int]) -> None:
        """Remember mail that is listed and cannot be had. ImapError when it is so much that the server must be ill."""
        owed = await self._patiently(self._mailbox.owed)
        owed.update({uid: 0 for uid in missing if uid not in owed})
        if len(owed) > state.MOST_OWED:
            raise ImapError(f"the server lists mail and does not give it: {len(owed)} messages by now")
        await self._patiently(lambda: self._mailbox.owe(owed))
        log.warning("mail is listed and cannot be fetched", mailbox=self._watch.name, uids=str(list(missing)))

    async def _settle_debts(self, session: Session, known: Checkpoint) -> int:
        """Ask again for what is owed; what came, or is gone by now, is settled."""
        before = await self._patiently(self._mailbox.owed)
        if not before:
            return 0
        taken, owed = 0, dict[int, int]()
        async for mail in session.fetcher.mails(sorted(before)):
            if mail.raw is not None:
                taken += await self._put([mail], known.uidvalidity)
            if mail.missing:
                owed[mail.uid] = before[mail.uid] + mail.asked
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

    async def _after(self, error: Exception, failures: int) -> float:
        """Tell of *error*; the seconds to wait before the next try, after *failures* in a row before this one."""
        if isinstance(error, ImapError) and error.expired and not failures:
            return 0.0  # the access token's end is ordinary, and no trouble to tell of
        refused = isinstance(error, LoginRefusedError)
        await self._health.tell(state.NEEDS_SIGN_IN if refused else state.FAILING, str(error) or type(error).__name__)
        asked = min(TOKENS, getattr(error, "wait", 0.0))
        return max(delay(failures, cap=RECONNECT), asked, self._access.wait if refused else 0.0)

    async def _patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do *step* until Redis, the disk and the intake serve it; mail that was not fetched yet stays where it is."""
        tries = 0
        while True:
            try:
                return await step()
            except (StoreUnavailableError, IntakeFullError) as error:
                if self._stop.is_set():
                    raise
                await self._health.tell(state.PAUSED, str(error))
            await self._pause(delay(tries, cap=INTAKE))
            tries += 1

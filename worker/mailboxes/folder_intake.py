"""Puts the mail of one folder into the intake, in the order of UIDs, and remembers what the server did not give.

The put of a mail moves the checkpoint to its UID. So what is missing is remembered before the mail behind it is put,
and a UID that the server has not assigned never moves it.
"""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from worker.imap import ImapError
from worker.mailboxes.fetcher import FetchedMail
from worker.mailboxes.folder_health import FolderHealthRecorder
from worker.mailboxes.folder_session import FolderSession
from worker.mailboxes.watched_folder import WatchedFolder, make_origin
from workitems.base.log import get_logger
from workitems.intake.origin import MailOrigin
from workitems.intake.put import Intake
from workitems.mailboxes import checkpoint as state
from workitems.mailboxes.checkpoint import BackfillCounts, FolderRecord

log = get_logger("poller")

#: UIDs whose sizes are asked for at once.
CHUNK = 1000

#: New mails of one search from which on the progress is shown.
BACKLOG = 200

#: Times that mail which the server did not give is asked for again, once a poll, before it is given up.
MAX_UNFETCHED_ATTEMPTS = 20

#: UIDs above UIDNEXT whose mail was put and that are remembered, so that they are not fetched at each poll.
MAX_DOUBTFUL = 100_000

T = TypeVar("T")


class RetryUntilAvailable(Protocol):
    """Repeats a step until Redis, the disk and the intake can serve it."""

    async def __call__(self, step: Callable[[], Awaitable[T]], /) -> T: ...


class FolderIntake:
    """The mail of one folder. Every method raises ImapError, LeaseLostError, and what *retry* raises once it stops."""

    def __init__(
        self,
        watch: WatchedFolder,
        mailbox: FolderRecord,
        intake: Intake,
        health: FolderHealthRecorder,
        retry: RetryUntilAvailable,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._folder = watch
        self._mailbox = mailbox
        self._intake = intake
        self._health = health
        self._retry = retry
        self._is_stopping = is_stopping
        self._put_doubtful: set[int] = set()
        self._is_doubt_logged = False

    def clear(self) -> None:
        """Forget UIDs: the UIDVALIDITY has changed."""
        self._put_doubtful.clear()
        self._is_doubt_logged = False

    async def put_assigned(self, session: FolderSession, uidvalidity: int, uids: Sequence[int]) -> int:
        """Put the mail of *uids* in their order, and move the checkpoint past them. Returns how many mails there were.

        The checkpoint stays below UIDs that FETCH did not give and that the server may not have assigned yet.
        """
        taken, unproven = 0, list[int]()
        try:
            for start in range(0, len(uids), CHUNK):
                chunk = uids[start : start + CHUNK]
                async with aclosing(session.fetcher.fetch_batches(chunk)) as batches:
                    async for batch in batches:
                        taken += await self._put_batch(session, batch, uidvalidity, unproven)
                        if len(uids) > BACKLOG:
                            passed = start + bisect_right(chunk, batch[-1].uid)
                            self._health.progress = BackfillCounts(passed, len(uids))
                        await self._health.record(state.WATCHING)
                        if self._is_stopping():
                            return taken
                last = min(chunk[-1], session.assigned_below - 1)
                await self._retry(partial(self._mailbox.advance_checkpoint, uidvalidity, last))
        finally:
            self._health.progress = None
        if unproven:  # the next poll asks for UIDNEXT, and decides
            session.doubtful_from = unproven[0]
        return taken

    async def put_doubtful(self, session: FolderSession, uidvalidity: int, uids: Sequence[int]) -> int:
        """Put what FETCH gives of *uids*, which are not below UIDNEXT. The checkpoint stays. Returns how many.

        The UIDs are invented, or UIDNEXT is wrong; then the mail must not be lost.
        """
        if not uids:
            return 0
        self._log_doubt(uids)
        asked = list(islice((uid for uid in uids if uid not in self._put_doubtful), CHUNK))
        given, taken = sorted(await session.connection.fetch_summaries(asked)), 0
        if len(self._put_doubtful) > MAX_DOUBTFUL:
            self._put_doubtful.clear()
        async with aclosing(session.fetcher.fetch_batches(given)) as batches:
            async for batch in batches:
                taken += await self._put([mail for mail in batch if mail.raw is not None], uidvalidity, moves=False)
                self._put_doubtful.update(mail.uid for mail in batch if not mail.is_missing)
                if self._is_stopping():
                    break
        return taken

    async def retry_unfetched(self, session: FolderSession, uidvalidity: int) -> int:
        """Ask again for mail that the server did not give, and forget what is gone. Returns how many mails came."""
        before = await self._retry(self._mailbox.unfetched_uids)
        if not before:
            return 0
        taken, unfetched = 0, dict[int, int]()
        async for mail in session.fetcher.fetch_mails(sorted(before)):
            if mail.raw is not None:
                # The checkpoint stays: after a crash, mail below this one may not be stored yet.
                taken += await self._put([mail], uidvalidity, moves=False)
            if mail.is_missing:
                unfetched[mail.uid] = before[mail.uid] + mail.is_whole_asked
        hopeless = [uid for uid, attempts in unfetched.items() if attempts >= MAX_UNFETCHED_ATTEMPTS]
        if hopeless:
            log.error(
                "mail is given up: it is listed and cannot be fetched", mailbox=self._folder.mailbox, uids=str(hopeless)
            )
        left = {uid: attempts for uid, attempts in unfetched.items() if uid not in hopeless}
        await self._retry(lambda: self._mailbox.set_unfetched_uids(left, given_up=len(hopeless)))
        return taken

    async def _put_batch(
        self, session: FolderSession, batch: Sequence[FetchedMail], uidvalidity: int, unproven: list[int]
    ) -> int:
        """Put *batch*, after what is missing of it was remembered.

        A missing UID that the server may not have assigned waits in *unproven* until a higher mail proves it.
        """
        given = [mail for mail in batch if mail.raw is not None]
        if given:
            session.note_assigned(given[-1].uid + 1)
        missing = unproven + [mail.uid for mail in batch if mail.is_missing]
        proven = [uid for uid in missing if uid < session.assigned_below]
        unproven[:] = [uid for uid in missing if uid >= session.assigned_below]
        if proven:
            await self._record_unfetched(proven)
        return await self._put(given, uidvalidity)

    async def _put(self, mails: Sequence[FetchedMail], uidvalidity: int, *, moves: bool = True) -> int:
        """Put *mails* in their order, and move the checkpoint with them. Returns how many they are."""

        def pairs() -> list[tuple[bytes, MailOrigin]]:
            # Made for each attempt: the lease may have got a new token in between.
            token = self._mailbox.lease_token
            return [
                (mail.raw or b"", make_origin(self._folder, mail, uidvalidity, token=token, moves=moves))
                for mail in mails
            ]

        receipts = await self._retry(lambda: self._intake.put_all(pairs()))
        for mail, receipt in zip(mails, receipts, strict=True):
            log.debug("put", mailbox=self._folder.mailbox, uid=mail.uid, item=receipt.id, outcome=receipt.outcome)
        return len(mails)

    async def _record_unfetched(self, missing: Sequence[int]) -> None:
        """Remember mail that is listed and not given. ImapError when it is so much that the server must be ill."""
        unfetched = await self._retry(self._mailbox.unfetched_uids)
        unfetched.update({uid: 0 for uid in missing if uid not in unfetched})
        if len(unfetched) > state.MAX_UNFETCHED_UIDS:
            raise ImapError(f"the server lists mail and does not give it: {len(unfetched)} messages by now")
        await self._retry(lambda: self._mailbox.set_unfetched_uids(unfetched))
        log.warning("mail is listed and cannot be fetched", mailbox=self._folder.mailbox, uids=str(list(missing)))

    def _log_doubt(self, uids: Sequence[int]) -> None:
        """Log once for each folder that its server lists *uids*, which are not below its UIDNEXT."""
        if self._is_doubt_logged:
            return
        self._is_doubt_logged = True
        log.warning(
            "the server lists UIDs that it has not assigned",
            mailbox=self._folder.mailbox, folder=self._folder.folder, uids=str(list(uids[:10])),
        )  # fmt: skip

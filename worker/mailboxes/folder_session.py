"""One open folder: its connection, what the server said about it, and the checkpoint from which it is read."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from worker.imap import Connection, Folder
from worker.mailboxes import checkpoints
from worker.mailboxes.connections import AccountConnector
from worker.mailboxes.fetcher import Fetcher
from worker.mailboxes.new_uids import NO_UID, NewUids, count_assigned, find_highest_given, find_next_uid, search_new
from worker.mailboxes.suspect_uids import SuspectUids
from worker.mailboxes.watched_folder import WatchedFolder
from workitems.base.log import get_logger
from workitems.mailboxes.checkpoint import Checkpoint, FolderRecord

log = get_logger("poller")

#: Seconds for a LOGOUT.
LOGOUT = 1.0

#: Seconds after which the replicas of one provider agree on what there is.
REPLICA_LAG_SECONDS = 5.0

#: Listed UIDs at or above UIDNEXT for which FETCH is asked before UIDs are taken for given again.
REWIND_ASKED = 1000


@dataclass(slots=True)
class FolderSession:
    """An open folder. `has_news`: the server has announced mail, or the folder was just opened.

    `is_compared`: its UIDNEXT was compared with the checkpoint.
    """

    connection: Connection
    folder: Folder
    fetcher: Fetcher
    has_news: bool = True
    is_compared: bool = False
    opened_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    #: Every lower UID was assigned: the server's UIDNEXT, or one above the highest mail that came in sequence from it.
    assigned_below: int = 1
    #: The lowest UID in sequence that FETCH did not give.
    doubtful_from: int = NO_UID

    def __post_init__(self) -> None:
        self.update(self.folder)

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return asyncio.get_running_loop().time() - self.opened_at

    def update(self, folder: Folder) -> None:
        """Take over the result of another SELECT."""
        if folder.uidvalidity != self.folder.uidvalidity:
            self.assigned_below, self.doubtful_from = 1, NO_UID
        self.folder = folder
        self.note_assigned(folder.uidnext or 1)

    def note_assigned(self, below: int) -> None:
        """Note that every UID below *below* was assigned."""
        self.assigned_below = max(self.assigned_below, below)
        if self.doubtful_from < self.assigned_below:
            self.doubtful_from = NO_UID

    async def find_new_uids(self, checkpoint: Checkpoint) -> NewUids:
        """Return the UIDs after *checkpoint*. Ask for a new UIDNEXT where the old one does not explain them all.

        With SELECT, since STATUS is not for a selected folder (RFC 3501 §6.3.10). The SEARCH after it lists mail that
        came in between, since SELECT clears the news of growth.
        """
        uids = await search_new(self.connection, checkpoint)
        if self._count_assigned(uids) < len(uids):
            self.update(await self.connection.reselect())
            uids = await search_new(self.connection, checkpoint)
            if not self.folder.uidnext:
                self.note_assigned(await find_highest_given(self.connection, uids) + 1)
        count = self._count_assigned(uids)
        return NewUids(uids[:count], uids[count:])

    async def find_next_uid(self) -> int:
        """Return a number above every UID that is there."""
        return await find_next_uid(self.connection, self.folder)

    def _count_assigned(self, uids: list[int]) -> int:
        return count_assigned(uids, self.assigned_below, self.doubtful_from)

    async def end(self) -> None:
        """Log out, for LOGOUT seconds at most, and close."""
        try:
            async with asyncio.timeout(LOGOUT):
                await self.connection.logout_and_close()
        except TimeoutError:
            await self.connection.close()


async def open_session(
    watch: WatchedFolder, access: AccountConnector, oversized: set[int], suspects: SuspectUids | None = None
) -> FolderSession:
    """Connect and open the folder. *oversized* and *suspects* are the records of `Fetcher`. Raises ImapError."""
    async with AsyncExitStack() as on_error:
        connection = await access.connect(watch.get_account())
        on_error.push_async_callback(connection.close)
        folder = await connection.select(watch.folder)
        on_error.pop_all()
    log.debug("folder opened", mailbox=watch.mailbox, folder=watch.folder, messages=folder.exists)
    return FolderSession(connection, folder, Fetcher(connection, watch.max_bytes, oversized, suspects))


async def load_checkpoint(
    session: FolderSession, watch: WatchedFolder, mailbox: FolderRecord, last: Checkpoint | None
) -> Checkpoint:
    """Return the folder's checkpoint. Set it first where the folder is new or its UIDVALIDITY has changed.

    *last* is the last checkpoint that this process saw; it is used when Redis has lost its data. Raises ImapError,
    LeaseLostError, StoreUnavailableError.
    """
    known = await mailbox.checkpoint()
    if known and known.uidvalidity == session.folder.uidvalidity:
        return (
            await _restart_checkpoint(session, watch, mailbox, known)
            if await _has_uids_rewound(session, watch, known)
            else known
        )
    if known or last:
        # One response is not enough: replicas differ, and the folder may have changed since this session was opened.
        session.update(await session.connection.select(watch.folder))
    folder = session.folder
    if known and known.uidvalidity == folder.uidvalidity:
        return known
    before = known or last
    if before is None:
        now = checkpoints.initial_checkpoint(
            watch.start, folder, await session.find_next_uid(), datetime.now(UTC).date()
        )
        fresh = await mailbox.start_checkpoint(now)
        before = fresh if fresh != now else None
    else:
        fresh = before
    if fresh.uidvalidity != folder.uidvalidity:
        fresh = checkpoints.checkpoint_after_renumbering(fresh, folder, await session.find_next_uid())
    await mailbox.set_checkpoint(fresh, again=before is not None)
    _log_start(watch, fresh, before, lost=known is None)
    return fresh


async def _has_uids_rewound(session: FolderSession, watch: WatchedFolder, known: Checkpoint) -> bool:
    """Return whether the server gives UIDs a second time under the same UIDVALIDITY.

    RFC 3501 forbids this, but it happens when a backup or a machine's snapshot is restored; new mail is below the
    checkpoint then. Believed only when no mail is at or above UIDNEXT, and both stay so for REPLICA_LAG_SECONDS.
    """
    if session.is_compared:
        return False
    session.is_compared = True
    for wait in (0.0, REPLICA_LAG_SECONDS):
        if not _is_behind(session.folder, known):
            return False
        await asyncio.sleep(wait)
        session.update(await session.connection.select(watch.folder))
    # A server whose UIDNEXT is always wrong has mail above it. A server that invents UIDs only lists them.
    listed = await session.connection.search(session.folder.uidnext or 1)
    there = await session.connection.fetch_summaries(listed[:REWIND_ASKED])
    return _is_behind(session.folder, known) and not there


def _is_behind(folder: Folder, known: Checkpoint) -> bool:
    return folder.uidnext is not None and folder.uidnext <= known.uid and folder.uidvalidity == known.uidvalidity


async def _restart_checkpoint(
    session: FolderSession, watch: WatchedFolder, mailbox: FolderRecord, known: Checkpoint
) -> Checkpoint:
    fresh = checkpoints.checkpoint_after_renumbering(known, session.folder, await session.find_next_uid())
    await mailbox.set_checkpoint(fresh, again=True)
    _log_start(watch, fresh, known, lost=False)
    return fresh


def _log_start(watch: WatchedFolder, fresh: Checkpoint, before: Checkpoint | None, *, lost: bool) -> None:
    event = "the folder is seen for the first time"
    if before:
        event = "Redis lost how far the folder was read" if lost else "the folder has a new UIDVALIDITY"
    level = log.warning if before else log.info
    level(event, mailbox=watch.mailbox, folder=watch.folder, uidvalidity=fresh.uidvalidity, after_uid=fresh.uid)

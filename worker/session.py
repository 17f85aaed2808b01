"""One open folder: the connection, what the server said of it, and where the reading of it begins."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from worker import baseline
from worker.access import Access
from worker.breakers import Breakers
from worker.fetching import Fetcher
from worker.imap import Connection, Folder
from worker.watch import Watch
from workitems.log import get_logger
from workitems.mailbox import Checkpoint, Mailbox

log = get_logger("poller")

#: Seconds for a goodbye.
LOGOUT = 1.0

#: Seconds after which the servers of one provider agree on what there is.
LAG = 5.0


@dataclass(slots=True)
class Session:
    """An open folder. `told`: the server has just said what there is; `compared`: with what was known of it."""

    connection: Connection
    folder: Folder
    fetcher: Fetcher
    told: bool = True
    compared: bool = False
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return asyncio.get_running_loop().time() - self.began

    async def end(self) -> None:
        """Say goodbye, for LOGOUT seconds at most, and close."""
        try:
            async with asyncio.timeout(LOGOUT):
                await self.connection.logout_and_close()
        except TimeoutError:
            await self.connection.close()


async def open_session(watch: Watch, access: Access, oversized: set[int], breakers: Breakers | None = None) -> Session:
    """Connect and open the folder; *oversized* and *breakers* are what `Fetcher` remembers. Raises ImapError."""
    connection = await access.connect(watch.account())
    try:
        folder = await connection.select(watch.folder)
    except BaseException:
        await connection.close()
        raise
    log.debug("folder opened", mailbox=watch.name, folder=watch.folder, messages=folder.exists)
    return Session(connection, folder, Fetcher(connection, watch.largest, oversized, breakers))


async def checkpoint(session: Session, watch: Watch, mailbox: Mailbox, last: Checkpoint | None) -> Checkpoint:
    """How far the folder was taken; decided now when it was never seen, or when its mail has new numbers.

    *last* is what this process saw last: it stands in when Redis has lost what it knew. Raises ImapError,
    LeaseLostError, StoreUnavailableError.
    """
    known = await mailbox.checkpoint()
    if known and known.uidvalidity == session.folder.uidvalidity:
        return (
            await _begin_anew(session, watch, mailbox, known) if await _was_set_back(session, watch, known) else known
        )
    if known or last:
        # One answer is not enough: replicas differ, and this session may have been opened before a change.
        session.folder = await session.connection.select(watch.folder)
    folder = session.folder
    if known and known.uidvalidity == folder.uidvalidity:
        return known
    before = known or last
    if before is None:
        now = baseline.first_sight(watch.start, folder, await following(session), datetime.now(UTC).date())
        fresh = await mailbox.first_seen(now)
        before = fresh if fresh != now else None
    else:
        fresh = before
    if fresh.uidvalidity != folder.uidvalidity:
        fresh = baseline.renumbered(fresh, folder, await following(session))
    await mailbox.begin(fresh, again=before is not None)
    _say(watch, fresh, before, lost=known is None)
    return fresh


async def _was_set_back(session: Session, watch: Watch, known: Checkpoint) -> bool:
    """Whether the server gives UIDs again that it gave already, under the same UIDVALIDITY.

    RFC 3501 forbids it; who restores a backup or a machine's snapshot does it, and new mail would lie below the
    checkpoint. Believed only when the next UID that is told fits the mail that is there, and still is after LAG.
    """
    if session.compared:
        return False
    session.compared = True
    for wait in (0.0, LAG):
        if not _is_behind(session.folder, known):
            return False
        await asyncio.sleep(wait)
        session.folder = await session.connection.select(watch.folder)
    there = max(await session.connection.search(1), default=0)
    return _is_behind(session.folder, known) and there < (session.folder.uidnext or 0)


def _is_behind(folder: Folder, known: Checkpoint) -> bool:
    return folder.uidnext is not None and folder.uidnext <= known.uid and folder.uidvalidity == known.uidvalidity


async def _begin_anew(session: Session, watch: Watch, mailbox: Mailbox, known: Checkpoint) -> Checkpoint:
    fresh = baseline.renumbered(known, session.folder, await following(session))
    await mailbox.begin(fresh, again=True)
    _say(watch, fresh, known, lost=False)
    return fresh


async def following(session: Session) -> int:
    """A number above every UID that is there; asked for only where the server did not tell."""
    return session.folder.uidnext or max(await session.connection.search(1), default=0) + 1


def _say(watch: Watch, fresh: Checkpoint, before: Checkpoint | None, *, lost: bool) -> None:
    what = "the folder is seen for the first time"
    if before:
        what = "Redis lost how far the folder was read" if lost else "the server numbers the folder's mail anew"
    level = log.warning if before else log.info
    level(what, mailbox=watch.name, folder=watch.folder, uidvalidity=fresh.uidvalidity, after_uid=fresh.uid)

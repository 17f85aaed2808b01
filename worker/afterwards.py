"""What is done to mail in its mailbox once its item was published or closed: retried apart, never touching an item.

The queue lies in Redis (workitems/aftercare.py). A place leaves it only after the server's OK: after a crash a step may
be done again, which does no harm.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from worker.imap import Account, CommandRefusedError, Connection, Folder, ImapError, connect
from worker.step import Step
from workitems import failpoint
from workitems.aftercare import Aftercare, Place
from workitems.backoff import delay
from workitems.errors import StoreUnavailableError, TubepostError
from workitems.lease import Lease
from workitems.log import get_logger
from workitems.settings import MailboxSettings
from workitems.tasks import not_cancelled

log = get_logger("afterwards")

#: Seconds between two looks at the queue.
POLL = 2.0

#: Mails that are dealt with in one go.
MOST = 200

#: Seconds for which a connection is kept that has nothing to do.
KEEP = 60.0

#: The longest wait in seconds for a mailbox or a Redis that is away; and, after the first, for one that needs a person,
#: to which the poller's own tries are trouble enough.
AWAY, FIRST_PERMANENT, PERMANENT = 300.0, 600.0, 1800.0

#: Seconds for a goodbye.
LOGOUT = 1.0

#: Response codes (RFC 5530) that are not about a single mail, so that asking for each of them is in vain.
OF_THE_FOLDER = frozenset(
    {"NOPERM", "OVERQUOTA", "CANNOT", "TRYCREATE", "NONEXISTENT", "UNAVAILABLE", "LIMIT", "THROTTLED", "READ-ONLY"}
)


@dataclass(frozen=True, slots=True)
class Care:
    """Which mailbox, its folders, and what is done there; `account` is asked each time one is needed."""

    name: str
    account: Callable[[], Account]
    folders: tuple[str, ...]
    step: Step


def care_of(name: str, mailbox: MailboxSettings, account: Callable[[], Account]) -> Care | None:
    """None for a mailbox that is left as it is. What the team sent (`sent`) is left in any case."""
    step = Step.of(mailbox.after)
    return Care(name, account, mailbox.folder, step) if step else None


class Afterwards:
    """One mailbox. It acts only while *lease* is held."""

    def __init__(
        self,
        care: Care,
        todo: Aftercare,
        lease: Lease,
        *,
        open_mailbox: Callable[[Account], Awaitable[Connection]] = connect,
    ) -> None:
        self._care = care
        self._todo = todo
        self._lease = lease
        self._open = open_mailbox
        self._connection: Connection | None = None
        self._used = 0.0
        #: So many are dealt with one at a time.
        self._alone = 0
        #: Folder → why nothing can be done there; None: what was last said is not known.
        self._told: dict[str, str | None] = dict.fromkeys(care.folders)
        #: Why the mailbox cannot be reached; whether Redis cannot.
        self._away = ""
        self._redis_away = False

    async def run(self) -> None:
        """Deal with what is due until cancelled; may be called again then."""
        failures = 0
        try:
            while not_cancelled():
                try:
                    seconds = 0.0 if await self.deal_once() else POLL
                    failures = 0
                except (TubepostError, OSError) as error:
                    seconds = await self._failed(error, failures)
                    failures += 1
                except Exception:
                    log.exception("dealing with mail failed", mailbox=self._care.name)
                    await self._drop()
                    seconds = delay(failures, base=2 * POLL, cap=AWAY)
                    failures += 1
                await asyncio.sleep(seconds)
        finally:
            await self._drop()

    async def deal_once(self) -> bool:
        """Deal with up to MOST places that are due; True when there were some. Raises TubepostError and OSError."""
        if not self._lease.token:
            await self._drop()
            return False
        places = await self._todo.due(1 if self._alone else MOST)
        self._redis_away = False
        if not places:
            await self._rest()
            return False
        connection = await self._connected()
        folders: dict[str, list[Place]] = {}
        for place in places:
            folders.setdefault(place.folder, []).append(place)
        for folder, group in folders.items():
            if self._lease.token:
                await self._deal(connection, folder, group)
        self._used = time.monotonic()
        return True

    # --- one folder -------------------------------------------------------------------------------------------------

    async def _deal(self, connection: Connection, folder: str, places: Sequence[Place]) -> None:
        if folder not in self._care.folders:
            await self._todo.done(places)  # what the team sent, or a folder that is watched no more: left as it is
            return
        try:
            opened = await connection.select(folder)  # each time: a folder that lies open does not show what came since
        except CommandRefusedError as error:
            await self._postpone(folder, places, str(error))
            if connection.failure:
                raise
            return
        if hindrance := self._care.step.hindrance(folder, opened, connection.capabilities):
            await self._postpone(folder, places, hindrance)
            return
        valid = await self._valid(folder, opened, places)
        try:
            refused = await self._carry_out(connection, [place.uid for place in valid])
        except ImapError:
            await self._break_off(valid)
            raise
        self._alone = max(0, self._alone - 1)
        failpoint.reach("afterwards")
        await self._todo.done([place for place in valid if place.uid not in refused])
        await self._todo.later([place for place in valid if place.uid in refused])
        await self._say(folder, str(next(iter(refused.values()), "")))

    async def _valid(self, folder: str, opened: Folder, places: Sequence[Place]) -> list[Place]:
        """Those of *places* whose UIDs mean something still; a mail with a new one is seen again under that.

        What this server does not show yet waits: a step on it would be answered with OK, and nothing done.
        """
        valid = [place for place in places if place.uidvalidity == opened.uidvalidity]
        if len(valid) < len(places):
            log.warning(
                "mail is not dealt with where it was: the folder numbers its mail anew",
                mailbox=self._care.name, folder=folder, mails=len(places) - len(valid),
            )  # fmt: skip
            await self._todo.done([place for place in places if place.uidvalidity != opened.uidvalidity])
        unseen = [place for place in valid if opened.uidnext is not None and place.uid >= opened.uidnext]
        await self._todo.later(unseen)
        return [place for place in valid if place not in unseen]

    async def _carry_out(self, connection: Connection, uids: Sequence[int]) -> dict[int, CommandRefusedError]:
        """Do the step to *uids*; answers with those that were refused, found by halves, and why."""
        if not uids:
            return {}
        try:
            await self._care.step.carry_out(connection, uids)
        except CommandRefusedError as error:
            if connection.failure:
                raise
            if error.code in OF_THE_FOLDER:
                return dict.fromkeys(uids, error)
            if len(uids) == 1:  # some servers refuse what is gone (Exchange); gone is dealt with
                return dict.fromkeys(await connection.sizes(uids), error)
            half = len(uids) // 2
            first = await self._carry_out(connection, uids[:half])
            return first | await self._carry_out(connection, uids[half:])
        return {}

    async def _break_off(self, places: Sequence[Place]) -> None:
        """The connection ended. Should one of them be why, it must not hold up the others: it is found alone."""
        if len(places) == 1:
            await self._todo.later(places)
            self._alone = max(0, self._alone - 1)
        else:
            self._alone = len(places)

    async def _postpone(self, folder: str, places: Sequence[Place], why: str) -> None:
        await self._todo.later(places)
        await self._say(folder, why)

    # --- the connection ---------------------------------------------------------------------------------------------

    async def _connected(self) -> Connection:
        if self._connection and self._connection.failure:
            await self._drop()
        if not self._connection:
            self._connection = await self._open(self._care.account())
            self._used = time.monotonic()
        away, self._away = self._away, ""
        for folder in [folder for folder, told in self._told.items() if away and told == away]:
            await self._say(folder, "")
        return self._connection

    async def _rest(self) -> None:
        """Nothing is due: end a connection that was idle for long, and take back what is no longer so."""
        if self._connection and time.monotonic() - self._used > KEEP:
            await self._drop()
        doubtful = [folder for folder, told in self._told.items() if told != ""]
        if doubtful and await self._todo.waiting() == 0:
            for folder in doubtful:
                await self._say(folder, "")

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            try:
                async with asyncio.timeout(LOGOUT):
                    await connection.logout_and_close()
            except TimeoutError:
                await connection.close()

    async def _failed(self, error: Exception, failures: int) -> float:
        """Seconds until the next try."""
        await self._drop()
        if isinstance(error, ImapError) and error.expired and not failures:
            return 0.0  # the access token's time was over, which is ordinary
        if isinstance(error, StoreUnavailableError):
            if not self._redis_away:
                log.warning("mail cannot be dealt with", mailbox=self._care.name, reason=str(error))
            self._redis_away = True
        else:
            self._away = str(error) or type(error).__name__
            for folder in self._care.folders:
                await self._say(folder, self._away)
        if isinstance(error, TubepostError) and error.permanent:
            return delay(failures, base=2 * FIRST_PERMANENT, cap=PERMANENT)
        return delay(failures, base=2 * POLL, cap=AWAY)

    async def _say(self, folder: str, error: str) -> None:
        """Log once that nothing can be done in *folder*, and once that it can again; record why for the page."""
        before = self._told.get(folder, "")
        if error == before:
            return
        if error and not before:
            log.warning("mail cannot be dealt with", mailbox=self._care.name, folder=folder, reason=error)
        elif before and not error:
            log.info("mail is dealt with again", mailbox=self._care.name, folder=folder)
        with suppress(StoreUnavailableError):
            await self._todo.tell(folder, error)
            self._told[folder] = error

"""Applies the after-action to mail whose item was published or closed. It retries on its own and never touches items.

The pending actions are in Redis (workitems/mailboxes/pending_actions.py) until the server's OK. After a crash an action
may be repeated, which is safe.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from worker.imap import Account, CommandRefusedError, Connection, Folder, ImapError, connect
from worker.mailboxes.after_action import AfterAction
from workitems.base import failpoint
from workitems.base.backoff import delay
from workitems.base.errors import StoreError, TubepostError
from workitems.base.log import get_logger
from workitems.base.tasks import not_cancelled
from workitems.mailboxes.lease import Lease
from workitems.mailboxes.pending_actions import MailLocation, PendingActions
from workitems.settings import MailboxSettings

log = get_logger("after_actions")

#: Seconds between two checks for pending actions.
POLL = 2.0

#: The most mails of one batch.
MAX_BATCH = 200

#: Seconds for which an unused connection is kept.
IDLE_CONNECTION_SECONDS = 60.0

#: The longest wait in seconds for an unavailable mailbox or Redis. The other two are the first and the longest wait for
#: a mailbox that needs a person: the poller already tries that one often enough.
MAX_BACKOFF_SECONDS, PERMANENT_BACKOFF_SECONDS, MAX_PERMANENT_BACKOFF_SECONDS = 300.0, 600.0, 1800.0

#: Seconds for a LOGOUT.
LOGOUT = 1.0

#: Response codes (RFC 5530) that are not about a single mail, so that it is useless to ask for each of them.
FOLDER_ERROR_CODES = frozenset(
    {"NOPERM", "OVERQUOTA", "CANNOT", "TRYCREATE", "NONEXISTENT", "UNAVAILABLE", "LIMIT", "THROTTLED", "READ-ONLY"}
)


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """A mailbox, its folders, and their after-action. `get_account` is called for each connection."""

    mailbox: str
    get_account: Callable[[], Account]
    folders: tuple[str, ...]
    action: AfterAction


def make_action_plan(name: str, mailbox: MailboxSettings, account: Callable[[], Account]) -> ActionPlan | None:
    """Return the plan, or None for a mailbox that is left unchanged. The sent folder is never changed."""
    action = AfterAction.from_setting(mailbox.after_action)
    return ActionPlan(name, account, mailbox.folders, action) if action else None


class ActionRunner:
    """One mailbox. Acts only while *lease* is held."""

    def __init__(
        self,
        plan: ActionPlan,
        pending: PendingActions,
        lease: Lease,
        *,
        open_mailbox: Callable[[Account], Awaitable[Connection]] = connect,
    ) -> None:
        self._plan = plan
        self._pending = pending
        self._lease = lease
        self._open = open_mailbox
        self._connection: Connection | None = None
        self._used = 0.0
        #: How many mails are still done one at a time.
        self._singles_left = 0
        #: Folder → why nothing can be done there; None: what was last reported is unknown.
        self._reported: dict[str, str | None] = dict.fromkeys(plan.folders)
        #: Why the mailbox cannot be reached.
        self._connection_error = ""
        self._is_redis_down = False

    async def run(self) -> None:
        """Apply due actions until cancelled. May be called again then."""
        failures = 0
        try:
            while not_cancelled():
                try:
                    seconds = 0.0 if await self.run_once() else POLL
                    failures = 0
                except (TubepostError, OSError) as error:
                    seconds = await self._handle_error(error, failures)
                    failures += 1
                except Exception:  # an error of ours here must not end the pollers of the mailbox
                    log.exception("dealing with mail failed", mailbox=self._plan.mailbox)
                    await self._close_connection()
                    seconds = delay(failures, base=2 * POLL, cap=MAX_BACKOFF_SECONDS)
                    failures += 1
                await asyncio.sleep(seconds)
        finally:
            await self._close_connection()

    async def run_once(self) -> bool:
        """Apply up to MAX_BATCH due actions. Returns whether there were any. Raises TubepostError and OSError."""
        if not self._lease.token:
            await self._close_connection()
            return False
        locations = await self._pending.list_due(1 if self._singles_left else MAX_BATCH)
        self._is_redis_down = False
        if not locations:
            await self._handle_idle()
            return False
        connection = await self._ensure_connection()
        folders: dict[str, list[MailLocation]] = {}
        for location in locations:
            folders.setdefault(location.folder, []).append(location)
        for folder, group in folders.items():
            if self._lease.token:
                await self._act_in_folder(connection, folder, group)
        self._used = time.monotonic()
        return True

    # --- one folder -------------------------------------------------------------------------------------------------

    async def _act_in_folder(self, connection: Connection, folder: str, locations: Sequence[MailLocation]) -> None:
        if folder not in self._plan.folders:
            await self._pending.remove(locations)  # sent mail, or a folder that is no longer watched
            return
        try:
            opened = await connection.select(folder)  # each time: an open folder does not show new mail
        except CommandRefusedError as error:
            await self._postpone(folder, locations, str(error))
            if connection.failure:
                raise
            return
        if reason := self._plan.action.unsupported_reason(folder, opened, connection.capabilities):
            await self._postpone(folder, locations, reason)
            return
        valid = await self._drop_invalid(folder, opened, locations)
        try:
            refused = await self._apply(connection, [location.uid for location in valid])
        except ImapError:
            await self._handle_disconnect(valid)
            raise
        self._singles_left = max(0, self._singles_left - 1)
        failpoint.reach("afterwards")
        await self._pending.remove([location for location in valid if location.uid not in refused])
        await self._pending.postpone([location for location in valid if location.uid in refused])
        await self._report(folder, str(next(iter(refused.values()), "")))

    async def _drop_invalid(self, folder: str, opened: Folder, locations: Sequence[MailLocation]) -> list[MailLocation]:
        """Return those of *locations* with a valid UID. A mail with a new UID is found again under that.

        A mail that this server does not show yet is postponed: the server would answer OK and do nothing.
        """
        valid = [each for each in locations if each.uidvalidity == opened.uidvalidity]
        if len(valid) < len(locations):
            log.warning(
                "after-actions are dropped: the folder has a new UIDVALIDITY",
                mailbox=self._plan.mailbox, folder=folder, mails=len(locations) - len(valid),
            )  # fmt: skip
            await self._pending.remove(
                [location for location in locations if location.uidvalidity != opened.uidvalidity]
            )
        unseen = [each for each in valid if opened.uidnext is not None and each.uid >= opened.uidnext]
        await self._pending.postpone(unseen)
        return [each for each in valid if each not in unseen]

    async def _apply(self, connection: Connection, uids: Sequence[int]) -> dict[int, CommandRefusedError]:
        """Apply the action to *uids*. Returns those that the server refused, found by halving, and why."""
        if not uids:
            return {}
        try:
            await self._plan.action.apply(connection, uids)
        except CommandRefusedError as error:
            if connection.failure:
                raise
            if error.code in FOLDER_ERROR_CODES:
                return dict.fromkeys(uids, error)
            if len(uids) == 1:  # Exchange refuses mail that is gone; such mail is done
                return dict.fromkeys(await connection.fetch_summaries(uids), error)
            half = len(uids) // 2
            first = await self._apply(connection, uids[:half])
            return first | await self._apply(connection, uids[half:])
        return {}

    async def _handle_disconnect(self, locations: Sequence[MailLocation]) -> None:
        """Do the next mails one at a time: if one of them ends connections, it must not stop the others."""
        if len(locations) == 1:
            await self._pending.postpone(locations)
            self._singles_left = max(0, self._singles_left - 1)
        else:
            self._singles_left = len(locations)

    async def _postpone(self, folder: str, locations: Sequence[MailLocation], why: str) -> None:
        await self._pending.postpone(locations)
        await self._report(folder, why)

    # --- the connection ---------------------------------------------------------------------------------------------

    async def _ensure_connection(self) -> Connection:
        if self._connection and self._connection.failure:
            await self._close_connection()
        if not self._connection:
            self._connection = await self._open(self._plan.get_account())
            self._used = time.monotonic()
        away, self._connection_error = self._connection_error, ""
        for folder in [folder for folder, error in self._reported.items() if away and error == away]:
            await self._report(folder, "")
        return self._connection

    async def _handle_idle(self) -> None:
        """Close a connection that was unused for long, and clear reported errors that are over."""
        if self._connection and time.monotonic() - self._used > IDLE_CONNECTION_SECONDS:
            await self._close_connection()
        doubtful = [folder for folder, error in self._reported.items() if error != ""]
        if doubtful and await self._pending.count() == 0:
            for folder in doubtful:
                await self._report(folder, "")

    async def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            try:
                async with asyncio.timeout(LOGOUT):
                    await connection.logout_and_close()
            except TimeoutError:
                await connection.close()

    async def _handle_error(self, error: Exception, failures: int) -> float:
        """Report *error*. Returns the seconds until the next attempt."""
        await self._close_connection()
        if isinstance(error, ImapError) and error.is_token_expired and not failures:
            return 0.0  # the end of an access token is normal
        if isinstance(error, StoreError):
            if not self._is_redis_down:
                log.warning("mail cannot be dealt with", mailbox=self._plan.mailbox, reason=str(error))
            self._is_redis_down = True
        else:
            self._connection_error = str(error) or type(error).__name__
            for folder in self._plan.folders:
                await self._report(folder, self._connection_error)
        if isinstance(error, TubepostError) and error.permanent:
            return delay(failures, base=2 * PERMANENT_BACKOFF_SECONDS, cap=MAX_PERMANENT_BACKOFF_SECONDS)
        return delay(failures, base=2 * POLL, cap=MAX_BACKOFF_SECONDS)

    async def _report(self, folder: str, error: str) -> None:
        """Log once that *folder* has an error, and once that it is over. Record the error for the page."""
        before = self._reported.get(folder, "")
        if error == before:
            return
        if error and not before:
            log.warning("mail cannot be dealt with", mailbox=self._plan.mailbox, folder=folder, reason=error)
        elif before and not error:
            log.info("mail is dealt with again", mailbox=self._plan.mailbox, folder=folder)
        with suppress(StoreError):
            await self._pending.set_error(folder, error)
            self._reported[folder] = error

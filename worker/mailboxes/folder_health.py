"""Records the state of one folder in Redis, and logs when it stops being watched and when it is watched again.

Its health is the time of its last complete round trip: a task that only says that it runs proves nothing.
"""

import asyncio
from contextlib import suppress

from workitems.base.errors import StoreError
from workitems.base.log import get_logger
from workitems.mailboxes.checkpoint import NEEDS_SIGN_IN, WATCHING, BackfillCounts, FolderRecord

log = get_logger("mailbox")

#: Seconds that a folder may be in another state than watched before that is logged: most failures end by themselves.
GRACE = 60.0

#: Seconds between two records of the same state. During a backfill the page follows the progress.
RECORD, RECORD_PROGRESS = 1.0, 0.5


class FolderHealthRecorder:
    """One folder, as one worker sees it. *quiet*: seconds between two round trips of a folder without new mail."""

    def __init__(self, mailbox: FolderRecord, *, worker: str = "", quiet: float = 60.0, grace: float = GRACE) -> None:
        #: How far the backfill is, while it runs.
        self.progress: BackfillCounts | None = None
        self._mailbox = mailbox
        self._worker = worker
        self._max_gap_seconds = quiet
        self._grace = grace
        self._state, self._error = "", ""
        self._recorded: tuple[str, str, bool] = ("", "", False)
        self._recorded_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_warned = False

    @property
    def state(self) -> str:
        """The last recorded state, '' before the first."""
        return self._state

    async def record(self, state: str, error: str = "") -> None:
        """Record *state*: WATCHING after each complete round trip. An unavailable Redis is no error here.

        Raises LeaseLostError when another worker watches the mailbox by now.
        """
        self._log_change(state, error)
        now = asyncio.get_running_loop().time()
        record = (state, error, self.progress is None)
        if record == self._recorded and now - self._recorded_at < (RECORD_PROGRESS if self.progress else RECORD):
            return
        with suppress(StoreError):
            await self._mailbox.set_state(state, error, worker=self._worker, progress=self.progress)
            self._recorded, self._recorded_at = record, now

    def stop(self) -> None:
        """Stop: the folder is not watched by this worker any more, and nothing more is logged about it."""
        if self._timer:
            self._timer.cancel()
        self._timer, self._state, self._error, self._is_warned = None, "", "", False

    # --- the log ----------------------------------------------------------------------------------------------------

    def _log_change(self, state: str, error: str) -> None:
        before, self._state, self._error = self._state, state, error
        if state != before:
            log.debug("mailbox", **self._where, state=state, reason=error)
        if state == WATCHING:
            if self._is_warned:
                log.info("the mailbox is watched again", **self._where)
            self._is_warned = False
            self._arm(self._max_gap_seconds + self._grace)
        elif state == NEEDS_SIGN_IN:
            self._alarm()
        elif before in ("", WATCHING):
            self._arm(self._grace)

    def _arm(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._alarm)

    def _alarm(self) -> None:
        """Log once that the folder is not watched, and why."""
        if self._is_warned:
            return
        self._is_warned = True
        reason = self._error or ("no round trip was completed" if self._state == WATCHING else "it takes too long")
        log.warning("the mailbox is not watched", **self._where, state=self._state, reason=reason)

    @property
    def _where(self) -> dict[str, str]:
        return {"mailbox": self._mailbox.name, "folder": self._mailbox.folder}

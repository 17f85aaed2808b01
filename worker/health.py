"""How one folder is doing: recorded where the servers read it; the log is told when it goes bad, and when it is well.

Health is the time of the last round trip that was completed, and not the word of a task that believes to be alive.
"""

import asyncio
from contextlib import suppress

from workitems.errors import StoreUnavailableError
from workitems.log import get_logger
from workitems.mailbox import NEEDS_SIGN_IN, WATCHING, Mailbox, Progress

log = get_logger("mailbox")

#: Seconds that a folder may be anything but watched before that is told: most troubles of a line end by themselves.
GRACE = 60.0

#: Seconds between two records of the same state; while old mail is taken the page follows the progress.
RECORD, RECORD_PROGRESS = 1.0, 0.5


class Health:
    """Of one folder, as one worker sees it. *quiet*: seconds between two round trips of a folder without mail."""

    def __init__(self, mailbox: Mailbox, *, worker: str = "", quiet: float = 60.0, grace: float = GRACE) -> None:
        #: How far the mail that lay there already is taken, while that goes on.
        self.progress: Progress | None = None
        self._mailbox = mailbox
        self._worker = worker
        self._quiet = quiet
        self._grace = grace
        self._state, self._error = "", ""
        self._recorded: tuple[str, str, bool] = ("", "", False)
        self._recorded_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._bad = False

    @property
    def state(self) -> str:
        """The last that was told, '' before anything was."""
        return self._state

    async def tell(self, state: str, error: str = "") -> None:
        """Record *state*: WATCHING after each completed round trip. That Redis is away does no harm here.

        Raises LeaseLostError: a mailbox that is another's by now is not ours to speak of.
        """
        self._listen(state, error)
        now = asyncio.get_running_loop().time()
        record = (state, error, self.progress is None)
        if record == self._recorded and now - self._recorded_at < (RECORD_PROGRESS if self.progress else RECORD):
            return
        with suppress(StoreUnavailableError):
            await self._mailbox.tell(state, error, worker=self._worker, progress=self.progress)
            self._recorded, self._recorded_at = record, now

    def rest(self) -> None:
        """The folder is not watched from here any more; nothing is to be told of it."""
        if self._timer:
            self._timer.cancel()
        self._timer, self._state, self._error, self._bad = None, "", "", False

    # --- the log ----------------------------------------------------------------------------------------------------

    def _listen(self, state: str, error: str) -> None:
        before, self._state, self._error = self._state, state, error
        if state != before:
            log.debug("mailbox", **self._where, state=state, reason=error)
        if state == WATCHING:
            if self._bad:
                log.info("the mailbox is watched again", **self._where)
            self._bad = False
            self._arm(self._quiet + self._grace)
        elif state == NEEDS_SIGN_IN:
            self._alarm()
        elif before in ("", WATCHING):
            self._arm(self._grace)

    def _arm(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._alarm)

    def _alarm(self) -> None:
        """Tell once that the folder is not watched, and why."""
        if self._bad:
            return
        self._bad = True
        reason = self._error or ("no round trip was completed" if self._state == WATCHING else "it takes too long")
        log.warning("the mailbox is not watched", **self._where, state=self._state, reason=reason)

    @property
    def _where(self) -> dict[str, str]:
        return {"mailbox": self._mailbox.name, "folder": self._mailbox.folder}

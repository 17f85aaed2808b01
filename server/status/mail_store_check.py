"""Checks whether this process can use the mail store, by a file that is written and read."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from time import monotonic
from typing import Any

from workitems.base.errors import MailStoreUnavailableError, StoreUnavailableError
from workitems.base.log import get_logger
from workitems.mailstore.store import MailStore

log = get_logger("mail_store_check")

#: Seconds for which a result is used again.
FRESH_SECONDS = 2.0

#: Seconds for which a caller waits; then it gets the last result.
WAIT_SECONDS = 1.0

#: Seconds after which a check that has no result counts as failed. A busy disk may need more than a second.
HUNG_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PartHealth:
    """Whether a part that a process needs works. `reason` says why not, without a path: strangers may ask."""

    is_up: bool
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"up": self.is_up, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Bytes of a disk: those that may still be written, and all."""

    free: int
    total: int


class MailStoreCheck:
    """Checks in the threads of the mail store, one check at a time: a disk that hangs holds threads and no caller."""

    def __init__(
        self, mailstore: MailStore, data: Path | None = None, *, clock: Callable[[], float] = monotonic
    ) -> None:
        """*data*: the folder of all files, whose disk is measured too."""
        #: `data` and `mail` → the space on their disks; a disk that did not answer is missing.
        self.disks: Mapping[str, DiskSpace] = {}
        self._mailstore = mailstore
        self._data = data
        self._clock = clock
        self._last: PartHealth | None = None
        self._last_at = self._begun = float("-inf")
        self._running: asyncio.Task[None] | None = None

    async def check(self) -> PartHealth:
        """Return a result that is at most FRESH_SECONDS old, or the last one when a check takes long."""
        if self._running is None and (self._last is None or self._clock() - self._last_at >= FRESH_SECONDS):
            self._begun = self._clock()
            self._running = asyncio.create_task(self._check(), name="mail store check")
        if self._running is not None:
            left = self._begun + WAIT_SECONDS - self._clock()
            done, _ = await asyncio.wait({self._running}, timeout=max(0.0, left))
            for task in done:
                task.result()  # an error that we do not know is the caller's
        if self._running is not None and self._clock() - self._begun >= HUNG_SECONDS:
            self.disks = {}
            self._report(PartHealth(False, "its disk does not answer in time"))
        return self._last or PartHealth(False, "it was not checked yet")

    def close(self) -> None:
        """End a check that still runs."""
        if self._running is not None:
            self._running.cancel()

    async def _check(self) -> None:
        disks: dict[str, DiskSpace] = {}
        try:
            await self._measure(disks, "data", self._data)
            await self._identify()
            await self._measure(disks, "mail", self._mailstore.folder)
            await self._mailstore.check_writable()
            found, why = PartHealth(True), ""
        except MailStoreUnavailableError as error:
            found, why = PartHealth(False, error.reason), str(error)
        except StoreUnavailableError as error:
            found, why = PartHealth(False, "Redis does not say which mail store is the right one"), str(error)
        finally:
            self._running = None
        self.disks, self._last_at = disks, self._clock()
        self._report(found, why)

    async def _identify(self) -> None:
        """Make sure that this is the mail store that Redis knows now; if Redis is away, the one that it knew."""
        if self._mailstore.identify is None:
            return
        is_known = self._mailstore.marker.is_known
        try:
            async with asyncio.timeout(WAIT_SECONDS if is_known else None):
                await self._mailstore.identify()
        except MailStoreUnavailableError:
            raise
        except (StoreUnavailableError, TimeoutError):
            if not is_known:
                raise

    async def _measure(self, disks: dict[str, DiskSpace], name: str, folder: Path | None) -> None:
        """Add the space of the disk of *folder*, if there is one."""
        if folder is not None:
            with suppress(MailStoreUnavailableError):
                usage = await self._mailstore.run_unchecked(disk_usage, folder)
                disks[name] = DiskSpace(usage.free, usage.total)

    def _report(self, found: PartHealth, why: str = "") -> None:
        """Remember what was found, and log a change."""
        if found.is_up and self._last is not None and not self._last.is_up:
            log.info("the mail store works again")
        elif not found.is_up and found != self._last:
            log.warning("the mail store does not work", reason=why or found.reason)
        self._last = found

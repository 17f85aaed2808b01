"""The spool: mail that arrives in pieces is written to a file on the mail store's disk, and hashed on the way.

    <data>/mail/incoming/<random>.part

The mail store links a sealed file into its place (`MailStore.adopt`), so nothing is copied. Files that a killed process
left here are removed.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import ParamSpec, TypeVar

from workitems.base.log import get_logger
from workitems.base.threads import Threads
from workitems.intake.identity import HEADER_LIMIT
from workitems.mailstore.durable_files import make_folder, translating_disk_errors
from workitems.mailstore.ownership import open_shared

log = get_logger("incoming")

#: Threads that wait for the disk.
THREADS = 4

#: Seconds without a write after which a killed process left the file; an upload takes ten minutes at most.
LEFTOVER_AGE_SECONDS = 3600.0

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class SpooledMail:
    """A whole mail in a synced file; *head* holds its first HEADER_LIMIT bytes."""

    path: Path
    size: int
    head: bytes
    fingerprint: str


class SpoolFile:
    """A file that is being written. One thread writes at a time; another may discard it meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._head = bytearray()
        self._digest = hashlib.sha256()
        self._lock = Lock()
        self._file = os.fdopen(open_shared(path, os.O_WRONLY | os.O_EXCL), "wb")

    def write(self, piece: bytes) -> None:
        """Append a piece. Nothing happens once the file was discarded. Raises OSError."""
        with self._lock:
            if self._file.closed:
                return
            self._file.write(piece)
            self._digest.update(piece)
            self.size += len(piece)
            if len(self._head) < HEADER_LIMIT:
                self._head += piece[: HEADER_LIMIT - len(self._head)]

    def seal(self) -> SpooledMail:
        """Finish the file; return when its bytes are on the disk. Raises OSError."""
        with self._lock:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return SpooledMail(self.path, self.size, bytes(self._head), self._digest.hexdigest()[:32])

    def discard(self) -> None:
        """Remove the file, sealed or not; the mail store keeps its own link to it."""
        with self._lock:
            with suppress(OSError):  # a full disk refuses what was still buffered
                self._file.close()
            self.path.unlink(missing_ok=True)


class Spool:
    """The spool folder below a mail store's folder, and the threads that write to it."""

    def __init__(
        self, mail_folder: Path, check_disk: Callable[[], None] = lambda: None, *, seconds: float | None = None
    ) -> None:
        """*check_disk* raises MailStoreUnavailableError when the mail store's disk is not mounted.

        *seconds*: how long a call waits for the disk; None: for ever.
        """
        self.seconds = seconds
        self._check_disk = check_disk
        self.folder = mail_folder / "incoming"
        self._threads = Threads(THREADS, "incoming")
        self._swept = float("-inf")

    def close(self) -> None:
        """Wait for what is being written or removed."""
        self._threads.close()

    async def create_file(self) -> SpoolFile:
        """Make a new, empty file. Raises StoreUnavailableError."""
        with translating_disk_errors():
            return await self._threads.acquire_within(self.seconds, self._create, SpoolFile.discard)

    async def run_in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do *work* in a thread, to its end once it has started; OSError is StoreUnavailableError."""
        with translating_disk_errors():
            return await self._threads.run_within(self.seconds, work, *args, **kwargs)

    def discard_later(self, file: SpoolFile) -> None:
        """Discard without waiting; for the callback of a broken connection."""
        with suppress(RuntimeError):  # closed already: the next process sweeps
            self._threads.submit(file.discard)

    def path(self) -> Path:
        """Return a name for another file here."""
        return self.folder / f"{secrets.token_hex(12)}.part"

    def _create(self) -> SpoolFile:
        self._check_disk()
        make_folder(self.folder, synced=False)
        if time.monotonic() - self._swept > LEFTOVER_AGE_SECONDS:
            self._swept = time.monotonic()
            sweep(self.folder)
        return SpoolFile(self.path())


def sweep(folder: Path) -> int:
    """Remove what killed processes left in *folder*; return how many files that were."""
    count = 0
    for path in folder.glob("*.part"):
        with suppress(FileNotFoundError):  # another process sweeps too
            if path.stat().st_mtime < time.time() - LEFTOVER_AGE_SECONDS:
                path.unlink()
                count += 1
    if count:
        log.info("half written mail of ended processes was removed", files=count)
    return count


def scan_file(path: Path) -> SpooledMail:
    """Describe the mail in a file that another process wrote; return when its bytes are on the disk. Raises OSError."""
    head, digest, size = bytearray(), hashlib.sha256(), 0
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while piece := file.read(HEADER_LIMIT):
            head += piece[: HEADER_LIMIT - len(head)]
            digest.update(piece)
            size += len(piece)
    return SpooledMail(path, size, bytes(head), digest.hexdigest()[:32])

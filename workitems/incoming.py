"""Mail that arrives in pieces: written to a file on the mail store's disk and hashed on the way, never held whole.

    <data>/mail/incoming/<random>.part

The mail store links a sealed file into its place (`MailStore.adopt`), so nothing is copied. What a killed process left
here is swept away.
"""

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import ParamSpec, TypeVar

from workitems.errors import StoreUnavailableError
from workitems.identity import HEADER_LIMIT
from workitems.log import get_logger

log = get_logger("incoming")

#: Threads that wait for the disk.
THREADS = 4

#: Seconds after which a file that nobody wrote to is what a killed process left; a post takes ten minutes at most.
LEFT_BEHIND = 3600.0

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole mail in a synced file; *head* holds its first HEADER_LIMIT bytes."""

    path: Path
    size: int
    head: bytes
    fingerprint: str


class Draft:
    """A file that is being written. One thread writes at a time; another may discard it meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._head = bytearray()
        self._digest = hashlib.sha256()
        self._lock = Lock()
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, piece: bytes) -> None:
        """Append. Nothing happens once the draft was discarded. Raises OSError."""
        with self._lock:
            if self._file.closed:
                return
            self._file.write(piece)
            self._digest.update(piece)
            self.size += len(piece)
            if len(self._head) < HEADER_LIMIT:
                self._head += piece[: HEADER_LIMIT - len(self._head)]

    def seal(self) -> Arrived:
        """The mail is whole: returns when its bytes are on the disk. Raises OSError."""
        with self._lock:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return Arrived(self.path, self.size, bytes(self._head), self._digest.hexdigest()[:32])

    def discard(self) -> None:
        """Take the file away, sealed or not; where the mail store has it too, it stays there."""
        with self._lock:
            with suppress(OSError):  # a full disk refuses what was still buffered
                self._file.close()
            self.path.unlink(missing_ok=True)


class Spool:
    """The folder of drafts below a mail store's, and the threads that write to it."""

    def __init__(self, mail: Path) -> None:
        self.folder = mail / "incoming"
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="incoming")
        self._swept = float("-inf")

    def close(self) -> None:
        """Wait for what is being written or taken away."""
        self._threads.shutdown()

    async def draft(self) -> Draft:
        """A new, empty file. Raises StoreUnavailableError."""
        return await self.run(self._draft)

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """*work* in a thread, to its end even when the caller is cancelled; OSError becomes StoreUnavailableError."""

        def guarded() -> R:
            try:
                return work(*args, **kwargs)
            except OSError as error:
                raise StoreUnavailableError(f"the mail store cannot serve: {error.strerror}") from error

        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, guarded))

    def forget(self, draft: Draft) -> None:
        """Discard without waiting for it: for whoever learns of a broken connection."""
        with suppress(RuntimeError):  # closed already: the next process sweeps
            self._threads.submit(draft.discard)

    def path(self) -> Path:
        """A name for a file of one's own here."""
        return self.folder / f"{secrets.token_hex(12)}.part"

    def _draft(self) -> Draft:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if time.monotonic() - self._swept > LEFT_BEHIND:
            self._swept = time.monotonic()
            sweep(self.folder)
        return Draft(self.path())


def sweep(folder: Path) -> int:
    """Take away what killed processes left in *folder*; says how many files that were."""
    count = 0
    for path in folder.glob("*.part"):
        with suppress(FileNotFoundError):  # another process sweeps too
            if path.stat().st_mtime < time.time() - LEFT_BEHIND:
                path.unlink()
                count += 1
    if count:
        log.info("half written mail of ended processes was removed", files=count)
    return count


def survey(path: Path) -> Arrived:
    """The mail in a file that another process wrote; returns when its bytes are on the disk. Raises OSError."""
    head, digest, size = bytearray(), hashlib.sha256(), 0
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while piece := file.read(HEADER_LIMIT):
            head += piece[: HEADER_LIMIT - len(head)]
            digest.update(piece)
            size += len(piece)
    return Arrived(path, size, bytes(head), digest.hexdigest()[:32])

"""A file of the mail store that a person downloads; reading it never blocks the event loop."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Lock


class StoredFile:
    """An open file; *size* is its number of bytes. It is opened in a thread, and one caller reads it."""

    def __init__(self, path: Path, run: Callable[[Callable[[int], bytes], int], Awaitable[bytes]]) -> None:
        """*run* runs a blocking read in a thread. Raises OSError."""
        self._file = path.open("rb", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size
        self._run = run
        self._reading = Lock()
        self._is_given_up = False

    async def read(self, octets: int) -> bytes:
        """Return up to *octets* bytes; b"" at the end. Raises MailStoreUnavailableError."""
        return await self._run(self._read, octets)

    def close(self) -> None:
        """Close the file, without a wait: while a read hangs, its thread closes the file later."""
        self._is_given_up = True
        self._close_if_unused()

    def _read(self, octets: int) -> bytes:
        try:
            with self._reading:
                return b"" if self._is_given_up else self._file.read(octets)
        finally:
            if self._is_given_up:
                self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._reading.acquire(blocking=False):
            try:
                self._file.close()
            finally:
                self._reading.release()

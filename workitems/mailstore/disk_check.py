"""Checks that the mail store's disk is there: by the id in its marker file, and by a file that is written and read.

An empty folder where a disk should be mounted looks like a store without mail. So the store has an id in a file, the
marker, and Redis knows the id. Everything here blocks for the disk, so it is never called on the event loop.
"""

import errno
import os
import secrets
from pathlib import Path

from workitems.base.errors import MailStoreUnavailableError
from workitems.mailstore import durable_files

#: Bytes of the file that is written: an empty one would fit on a full disk.
_PROBE_BYTES = 4096


class RequiredMarker:
    """The marker that the mail store must have, as soon as it is known which one that is."""

    def __init__(self) -> None:
        self._required: tuple[str, str] | None = None
        #: An id, and the file that had it when it was read: to read it at each step would take ten times as long.
        self._verified: tuple[str, tuple[int, ...]] | None = None

    @property
    def is_known(self) -> bool:
        return self._required is not None

    def require(self, path: Path, store_id: str) -> None:
        """Refuse from now on all reads and writes while the file *path* does not have *store_id*."""
        self._required = str(path), store_id

    def check(self) -> None:
        """Raise MailStoreUnavailableError when the store in the folder is not the one that is required."""
        if self._required is None:
            return
        path, store_id = self._required
        with durable_files.translating_disk_errors():
            file = _identity(path)
            if (store_id, file) == self._verified:
                return
            found = read_marker(Path(path))
        if not found:
            message = f"the mail store's disk is not mounted: {path} is missing"
            raise MailStoreUnavailableError(message, "its disk is not mounted")
        if found != store_id:
            message = f"another mail store is mounted: {path} has {found[:40]} and not {store_id}"
            raise MailStoreUnavailableError(message, "another mail store is mounted")
        self._verified = (store_id, file) if file else None


def read_marker(path: Path) -> str:
    """Return the id that a marker file has; '' when it is missing. Raises OSError."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _identity(path: str) -> tuple[int, ...]:
    """Return what no other file has, also none written in its place; () when it is missing."""
    try:
        found = os.stat(path)  # noqa: PTH116 - text, for what durable_files says
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def write_and_read(folder: Path) -> None:
    """Write a small file to the disk of *folder*, read it back and remove it. Raises OSError."""
    durable_files.make_folder(folder)
    probe = folder / f"check-{secrets.token_hex(6)}{durable_files.TEMPORARY_SUFFIX}"
    content = secrets.token_bytes(_PROBE_BYTES)
    try:
        with probe.open("xb", buffering=0) as file:
            file.write(content)
            os.fsync(file.fileno())
        if probe.read_bytes() != content:
            raise OSError(errno.EIO, "what was written is not what is read")
    finally:
        probe.unlink(missing_ok=True)

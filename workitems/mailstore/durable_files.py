"""Files that are complete or absent, and that survive a power failure once the write has returned.

All that root writes here belongs to the owner of the folder (`workitems.mailstore.ownership`).

Every file is written under a temporary name, synced, renamed, and its folder synced (fsync(2), rename(2)). A sync
costs about as much for a hundred files as for one, so for SYNCFS_MIN_FILES or more the whole file system is synced
(syncfs(2)): measured 0.1 ms of processor time a mail instead of 0.7. Names are text here and not `Path`: joining and
opening by `Path` took as long as the system's own work.
"""

import ctypes
import fcntl
import os
import platform
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from os import path

from workitems.base import failpoint
from workitems.base.errors import MailStoreUnavailableError
from workitems.mailstore.ownership import StrPath, give_folder, give_to_owner, open_shared

#: The end of a temporary name.
TEMPORARY_SUFFIX = ".part"

#: From this many files the whole file system is synced. With fewer only ours are, whatever else waits for the disk.
SYNCFS_MIN_FILES = 4

#: The first Linux whose syncfs reports data that could not be written.
_SYNCFS_REPORTS_ERRORS = (5, 8)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY


@contextmanager
def translating_disk_errors() -> Iterator[None]:
    """Raise MailStoreUnavailableError for an error of the disk: full, broken, absent, or not answering in time."""
    try:
        yield
    except OSError as error:  # TimeoutError is one
        late = "its disk does not answer in time"
        reason = late if isinstance(error, TimeoutError) else error.strerror or "its disk failed"
        raise MailStoreUnavailableError(f"the mail store cannot serve: {reason}", reason) from error


@contextmanager
def locked(folder: StrPath) -> Iterator[None]:
    """Hold the lock of a folder, which only one process has; it ends with the process (flock(2)). Raises OSError."""
    descriptor = open_shared(path.join(folder, "lock"), os.O_WRONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(name: StrPath, content: bytes) -> None:
    """Replace a file that only its owner may read. Raises OSError.

    The caller has the lock of the folder, so what is under the temporary name is what a crash left.
    """
    folder, temporary = _parent(name), f"{os.fspath(name)}{TEMPORARY_SUFFIX}"
    _unlink(temporary)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            give_to_owner(descriptor, folder)
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        failpoint.reach("rename")
        os.rename(temporary, name)
    except OSError:
        _unlink(temporary)
        raise
    sync_folders([folder])


def write_files(place: StrPath, files: Sequence[tuple[StrPath, bytes]]) -> None:
    """Write *files*, all below the folder *place*, and rename them in their order; make missing folders.

    Raises OSError; then some files may exist, complete, and none that comes after a missing one.
    """
    make_folder(place)
    together = len(files) >= SYNCFS_MIN_FILES and _syncfs is not None
    descriptor = os.open(place, _FOLDER)  # opened before the writes, so that it reports their errors
    temporaries: list[str] = []
    try:
        folders = list(dict.fromkeys(_parent(name) for name, _ in files))
        for folder in folders:
            make_folder(folder, synced=not together)
        for name, content in files:
            temporaries.append(_temporary(name, content, synced=not together))
        if together:
            _sync_all(descriptor)
        for temporary, (name, _) in zip(temporaries, files, strict=True):
            os.rename(temporary, name)
        if together:
            _sync_all(descriptor)
        else:
            sync_folders(folders)
    except OSError:
        for temporary in temporaries:
            _unlink(temporary)
        raise
    finally:
        os.close(descriptor)


def write_atomically(name: StrPath, content: bytes) -> None:
    """Write one file without waiting for the disk. Other processes see all of it or nothing, but a power failure in
    the next minute may leave it missing, empty or truncated. Raises OSError.
    """
    try:
        temporary = _temporary(name, content, synced=False)
    except FileNotFoundError:  # rare: a reading is written beside its mail
        make_folder(_parent(name), synced=False)
        temporary = _temporary(name, content, synced=False)
    os.rename(temporary, name)


def make_folder(folder: StrPath, *, synced: bool = True) -> None:
    """Make a folder and those above it; sync each before the next."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        if _parent(folder) == folder:  # the current folder was removed
            raise
        make_folder(_parent(folder), synced=synced)
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    give_folder(folder)
    if synced:
        sync_folders([_parent(folder)])


def _parent(name: StrPath) -> str:
    return path.dirname(os.fspath(name)) or os.curdir


def sync_folders(folders: Iterable[StrPath]) -> None:
    """Return when the names in *folders* are on the disk."""
    for folder in folders:
        descriptor = os.open(folder, _FOLDER)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def synced_file_system(folder: StrPath) -> Iterator[None]:
    """Return from the block when all that was written in it on the file system of *folder* is on the disk."""
    descriptor = os.open(folder, _FOLDER)  # opened before the writes, so that it reports their errors
    try:
        yield
        if _syncfs is not None:
            _sync_all(descriptor)
        else:
            os.sync()
    finally:
        os.close(descriptor)


def temporary_name(name: StrPath) -> str:
    """Return a unique name: several threads and processes may put one mail at once."""
    return f"{os.fspath(name)}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}"


def _temporary(place: StrPath, content: bytes, *, synced: bool) -> str:
    name = temporary_name(place)
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            give_to_owner(descriptor, _parent(name))
            _write_all(descriptor, content)
            if synced:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        _unlink(name)
        raise
    return name


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _unlink(name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name)


def _sync_all(descriptor: int) -> None:
    assert _syncfs is not None
    if _syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _find_syncfs() -> Callable[[int], int] | None:
    """Return None where there is none, or where it does not report errors."""
    version = re.match(r"(\d+)\.(\d+)", platform.release())
    if sys.platform != "linux" or version is None or (int(version[1]), int(version[2])) < _SYNCFS_REPORTS_ERRORS:
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


_syncfs = _find_syncfs()

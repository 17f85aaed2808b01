"""Files that are whole or not there, and that survive a power cut once they are told to be written.

Every file is written under a temporary name, synced, renamed, and its folder synced (fsync(2), rename(2)). A sync
costs about as much for a hundred files as for one, so from MANY files on the file system is synced as a whole
(syncfs(2)): measured 0.1 ms of processor time a mail instead of 0.7. Names are text here and not `Path`: joining and
opening by `Path` took as long as the system's own work.
"""

import ctypes
import os
import platform
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from os import PathLike, path

#: The name of a file or folder.
Name = str | PathLike[str]

#: The end of a temporary name.
TEMPORARY = ".part"

#: Files from which on the whole file system is synced. Below it only ours are, whatever else waits for the disk.
MANY = 4

#: The first Linux whose syncfs tells of data that could not be written.
_TELLS = (5, 8)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY


def write(place: Name, files: Sequence[tuple[Name, bytes]]) -> None:
    """Write *files*, all below the folder *place*, and name them in their order; missing folders are made.

    Raises OSError; then some may be there, whole, and none behind one that is not.
    """
    make(place)
    together = len(files) >= MANY and _syncfs is not None
    descriptor = os.open(place, _FOLDER)  # before the writes, so that their errors are told
    temporaries: list[str] = []
    try:
        folders = list(dict.fromkeys(_above(name) for name, _ in files))
        for folder in folders:
            make(folder, synced=not together)
        for name, content in files:
            temporaries.append(_temporary(name, content, synced=not together))
        if together:
            _sync_all(descriptor)
        for temporary, (name, _) in zip(temporaries, files, strict=True):
            os.rename(temporary, name)
        if together:
            _sync_all(descriptor)
        else:
            sync(folders)
    except OSError:
        for temporary in temporaries:
            _unlink(temporary)
        raise
    finally:
        os.close(descriptor)


def replace(name: Name, content: bytes) -> None:
    """Write one file without waiting for the disk: others see it whole or not at all, but a power cut in the next
    minute may leave it missing, empty or cut off. Raises OSError.
    """
    try:
        temporary = _temporary(name, content, synced=False)
    except FileNotFoundError:  # rare: what was cut out of a mail lies beside it
        make(_above(name), synced=False)
        temporary = _temporary(name, content, synced=False)
    os.rename(temporary, name)


def make(folder: Name, *, synced: bool = True) -> None:
    """Make a folder and those above it, each known to the disk before the next."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        if _above(folder) == folder:  # the current folder was removed
            raise
        make(_above(folder), synced=synced)
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    if synced:
        sync([_above(folder)])


def _above(name: Name) -> str:
    return path.dirname(os.fspath(name)) or os.curdir


def sync(folders: Iterable[Name]) -> None:
    """Returns when the names in *folders* are on the disk."""
    for folder in folders:
        descriptor = os.open(folder, _FOLDER)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def temporary_name(name: Name) -> str:
    """A name of its own: one mail may be put by several threads and processes at once."""
    return f"{os.fspath(name)}.{secrets.token_hex(6)}{TEMPORARY}"


def _temporary(place: Name, content: bytes, *, synced: bool) -> str:
    name = temporary_name(place)
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if synced:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        _unlink(name)
        raise
    return name


def _unlink(name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name)


def _sync_all(descriptor: int) -> None:
    assert _syncfs is not None
    if _syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _find_syncfs() -> Callable[[int], int] | None:
    """None where there is none, or where it does not tell of errors."""
    version = re.match(r"(\d+)\.(\d+)", platform.release())
    if sys.platform != "linux" or version is None or (int(version[1]), int(version[2])) < _TELLS:
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


_syncfs = _find_syncfs()

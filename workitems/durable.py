"""Files that are whole or not there, and that survive a power cut once they are told to be written.

Every file is written under a temporary name, synced, renamed, and its folder synced (fsync(2), rename(2)). A sync
costs about as much for a hundred files as for one, so from MANY files on the file system is synced as a whole
(syncfs(2)): measured 0.1 ms of processor time a mail instead of 0.7.
"""

import ctypes
import os
import platform
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

#: The end of a temporary name.
TEMPORARY = ".part"

#: Files from which on the whole file system is synced. Below it only ours are, whatever else waits for the disk.
MANY = 4

#: The first Linux whose syncfs tells of data that could not be written.
_TELLS = (5, 8)


def write(place: Path, files: Sequence[tuple[Path, bytes]]) -> None:
    """Write *files*, all below the folder *place*, and name them in their order; missing folders are made.

    Raises OSError; then some may be there, whole, and none behind one that is not.
    """
    make(place)
    together = len(files) >= MANY and _syncfs is not None
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)  # before the writes, so that their errors are told
    temporaries: list[Path] = []
    try:
        for folder in dict.fromkeys(path.parent for path, _ in files):
            make(folder, synced=not together)
        for path, content in files:
            temporaries.append(_temporary(path, content, synced=not together))
        if together:
            _sync_all(descriptor)
        for temporary, (path, _) in zip(temporaries, files, strict=True):
            temporary.rename(path)
        if together:
            _sync_all(descriptor)
        else:
            sync(dict.fromkeys(path.parent for path, _ in files))
    except OSError:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def replace(path: Path, content: bytes) -> None:
    """Write one file without waiting for the disk: others see it whole or not at all, but a power cut in the next
    minute may leave it missing, empty or cut off. Raises OSError.
    """
    make(path.parent, synced=False)
    _temporary(path, content, synced=False).rename(path)


def make(folder: Path, *, synced: bool = True) -> None:
    """Make a folder and those above it, each known to the disk before the next."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        make(folder.parent, synced=synced)
        folder.mkdir(mode=0o700, exist_ok=True)
    if synced:
        sync([folder.parent])


def sync(folders: Iterable[Path]) -> None:
    """Returns when the names in *folders* are on the disk."""
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def temporary_name(path: Path) -> Path:
    """A name of its own: one mail may be put by several threads and processes at once."""
    return Path(f"{path}.{secrets.token_hex(6)}{TEMPORARY}")


def _temporary(path: Path, content: bytes, *, synced: bool) -> Path:
    name = temporary_name(path)
    try:
        with name.open("xb", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            if synced:
                os.fsync(file.fileno())
    except OSError:
        name.unlink(missing_ok=True)
        raise
    return name


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

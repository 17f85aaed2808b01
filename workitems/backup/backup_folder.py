"""The folder of a backup: what may become one, and who works on it.

backup.json                  the manifest of the last complete backup
<id>.<part>.jsonl.gz         what it has of Redis, and the list of its files
mail/…, settings/…           its files, each with a part of its checksum at the end of its name
lock                         held while a backup is made, verified or restored
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workitems.backup.manifest import MANIFEST, Manifest, read_manifest, write_manifest
from workitems.base.errors import BackupError
from workitems.mailstore import durable_files
from workitems.mailstore.ownership import open_shared

_LOCK = "lock"


@contextmanager
def open_backup_folder(path: Path, data: Path, mail: Path) -> Iterator[Manifest | None]:
    """Hold the folder *path* for a new backup, make it if necessary, and return the manifest of the last backup.

    Raises BackupError when it cannot be used: it is in the *data* or *mail* folder, has other files, or is in use.
    """
    for name, used in (("data", data), ("mail", mail)):  # the mail folder may be a symbolic link to another disk
        place, home = path.resolve(), used.resolve()
        if place == home or home in place.parents or place in home.parents:
            raise BackupError(
                f"{path} and the {name} folder {used} are within each other: a backup needs a folder of its own"
            )
    with translating_folder_errors(path):
        durable_files.make_folder(path)
        names = {entry.name for entry in path.iterdir() if not _is_unfinished(entry.name)}
        if MANIFEST not in names and names - {_LOCK, "lost+found"}:
            raise BackupError(
                f"{path} has other files and is no backup: give an empty folder, or one that does not exist"
            )
        with _locked(path, fcntl.LOCK_EX):
            for entry in path.iterdir():
                if _is_unfinished(entry.name):
                    entry.unlink()
            if MANIFEST not in names:
                write_manifest(path, None)
            yield read_manifest(path)


@contextmanager
def open_complete_backup(path: Path) -> Iterator[Manifest]:
    """Hold the folder *path* so that no backup changes it meanwhile, and return its manifest. Raises BackupError."""
    with translating_folder_errors(path), _locked(path, fcntl.LOCK_SH):
        manifest = read_manifest(path)
        if manifest is None:
            raise BackupError(f"{path} has no complete backup: the first one was interrupted. Run it again")
        yield manifest


@contextmanager
def translating_folder_errors(path: Path) -> Iterator[None]:
    """Raise BackupError for an error of a disk: full, broken, read-only."""
    try:
        yield
    except NotADirectoryError as error:
        raise BackupError(f"{path} is a file, or below a file; a folder is accepted") from error
    except OSError as error:
        raise BackupError(f"{error.filename or path}: {error.strerror or error}") from error


def _is_unfinished(name: str) -> bool:
    """Return whether a process that was killed left this draft of a manifest."""
    return name.startswith(MANIFEST) and name.endswith(durable_files.TEMPORARY_SUFFIX)


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    """Hold the lock of a backup. Where there are no locks, or nothing can be written, go on without."""
    descriptor = None
    try:
        if kind == fcntl.LOCK_EX:
            descriptor = open_shared(path / _LOCK, os.O_RDONLY)
        else:
            with suppress(OSError):
                descriptor = os.open(path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        if descriptor is not None:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackupError(f"{path} is in use: another backup, verification or restore runs there") from None
            except OSError:
                pass
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)

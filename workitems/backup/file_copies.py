"""Copy new files into a backup, remove what it no longer needs, and copy files back. All of it blocks."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from workitems.backup.damage import DamagedCopyError, is_copied, is_damage
from workitems.backup.file_list import DURABLE_STATE, FileGroups, StoredFile, order_of
from workitems.backup.part import CHUNK, hash_file
from workitems.mailstore import durable_files
from workitems.mailstore.durable_files import TEMPORARY_SUFFIX
from workitems.mailstore.mail_folder import READING_FILE
from workitems.mailstore.ownership import give_to_owner

#: Names in the mail store that are no content: unfinished uploads, locks, a mark of ours, the file system's own.
_NO_CONTENT = ("incoming", "lock", "lost+found", ".restoring")


class UnreadableFileError(OSError):
    """The disk of the mail store cannot read a file of it."""


def store_tree(
    source: Path, target: Path, top: str, known: FileGroups, unreadable: list[str]
) -> Iterator[tuple[StoredFile, bool]]:
    """Copy the files below *source* into the backup *target* below *top*. Yield every file, and whether it was copied.

    *known*: the files of the last complete backup; those that did not change since are not read again. A file that is
    removed meanwhile is left out; so is one that the disk cannot read, which is added to *unreadable*. Raises OSError.
    """
    groups = sorted((f"{top}/{each.name}" for each in source.iterdir() if is_content(each.name)), key=order_of)
    for group in groups:
        before = known.take(group)
        for path in _paths(source / group.removeprefix(f"{top}/"), group):
            place = source / path.removeprefix(f"{top}/")
            try:
                file = _open(place)
                if file is None:
                    continue
                with file:
                    stored = _store(file, target, path, before.get(path))
            except UnreadableFileError:
                if path.startswith(DURABLE_STATE):  # few files, without which nothing is as it was
                    raise
                unreadable.append(str(place))
                continue
            yield stored, stored is not before.get(path)


def store_file(source: Path, target: Path, path: str) -> StoredFile:
    """Copy one file into the backup *target* as *path*. Raises OSError."""
    with source.open("rb", buffering=0) as file:
        return _store(file, target, path, None)


def remove_unlisted(target: Path, files: FileGroups, tops: tuple[str, ...]) -> int:
    """Remove what is below *tops* in the backup *target* and not among *files*; return how many files that were."""
    count = 0
    for top in tops:
        entries = (target / top).iterdir() if (target / top).is_dir() else ()
        found = sorted(((_group_of_stored(top, entry), entry) for entry in entries), key=lambda each: order_of(each[0]))
        for group, together in groupby(found, key=lambda each: each[0]):
            listed = {file.stored_path for file in files.take(group).values()}
            for _, entry in together:
                count += _remove_all_but(listed, entry, f"{top}/{entry.name}")
    return count


def restore_file(source: Path, file: StoredFile, place: Path, mode: int) -> None:
    """Copy a file of the backup *source* to *place*, with its time of change: the retention counts from it.

    A file that is there already, whole, is left alone: an interrupted restore left it, and it is read, since a power
    failure may have taken its bytes. Raises DamagedCopyError; OSError for *place*, and for rights.
    """
    with suppress(FileNotFoundError):
        if place.stat().st_mtime_ns == file.mtime_ns and hash_file(place) == (file.size, file.sha256):
            return
    durable_files.make_folder(place.parent, synced=False)
    temporary = Path(durable_files.temporary_name(place))
    try:
        with _open_copy(source / file.stored_path) as read:
            found = _copy(read, temporary, mode)
        if found != (file.size, file.sha256):
            raise DamagedCopyError
        os.utime(temporary, ns=(file.mtime_ns, file.mtime_ns))
        temporary.rename(place)
    finally:
        temporary.unlink(missing_ok=True)


def is_content(name: str) -> bool:
    """Return whether a file or folder of the mail store is content; see `_NO_CONTENT`."""
    return name not in _NO_CONTENT and not name.endswith(TEMPORARY_SUFFIX)


def _paths(place: Path, path: str) -> Iterator[str]:
    """Yield the paths of the files below *place*, whose own path is *path*, sorted: a raw mail before its sidecar."""
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except NotADirectoryError:
        yield path
        return
    except FileNotFoundError:  # removed meanwhile
        return
    names = {entry.name for entry in entries}
    for entry in entries:
        if not is_content(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _paths(place / entry.name, f"{path}/{entry.name}")
            continue
        raw = entry.name.removesuffix(".json") + ".eml"
        if entry.name.endswith(".json") and entry.name != READING_FILE and raw not in names:
            yield f"{path}/{raw}"  # a folder that is being written may list a sidecar without its raw mail
        if entry.is_file(follow_symlinks=False):
            yield f"{path}/{entry.name}"


def _group_of_stored(top: str, entry: Path) -> str:
    """Return the group of an entry of a backup; the name of a file ends with a part of its checksum."""
    return f"{top}/{entry.name if entry.is_dir() else entry.name.rpartition('.')[0]}"


def _remove_all_but(listed: set[str], place: Path, path: str) -> int:
    """Remove the files at and below *place*, whose path is *path*, that are not *listed*; return how many."""
    if not place.is_dir():
        if path not in listed:
            place.unlink()
        return path not in listed
    count = sum(_remove_all_but(listed, entry, f"{path}/{entry.name}") for entry in list(place.iterdir()))
    with suppress(OSError):  # it still has files
        place.rmdir()
    return count


def _store(file: BinaryIO, target: Path, path: str, known: StoredFile | None) -> StoredFile:
    """Copy an open file as *path*, unless *known* has the same size and time, and is in the backup.

    Raises OSError that names the file.
    """
    status = os.fstat(file.fileno())
    # The few files of the durable state are compared each time.
    is_durable_state = path.startswith(DURABLE_STATE)
    is_same = known is not None and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns)
    if known and is_same and is_copied(target, known, contents=is_durable_state):
        return known
    place = target / path
    durable_files.make_folder(place.parent, synced=False)
    temporary = Path(durable_files.temporary_name(place))
    try:
        with _naming(place):
            size, digest = _copy(lambda count: _read(file, count), temporary, 0o600)
        stored = StoredFile(path, size, status.st_mtime_ns, digest)
        temporary.rename(target / stored.stored_path)
    finally:
        temporary.unlink(missing_ok=True)
    return stored


def _open(place: Path) -> BinaryIO | None:
    """Open a file of the mail store; None when it was removed. Raises OSError, UnreadableFileError."""
    with _failing_as_unreadable(str(place)):
        try:
            return place.open("rb", buffering=0)
        except FileNotFoundError:
            return None


def _read(file: BinaryIO, count: int) -> bytes:
    with _failing_as_unreadable(file.name):
        return file.read(count)


@contextmanager
def _failing_as_unreadable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = UnreadableFileError if is_damage(error) else OSError
        raise kind(error.errno, error.strerror, name) from error


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of the disk name *path*, unless it names a file already."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def _open_copy(path: Path) -> Iterator[Callable[[int], bytes]]:
    """Open a file of a backup and return how it is read. Raises DamagedCopyError where its disk fails."""

    def read(size: int) -> bytes:
        with _failing_as_damaged():
            return file.read(size)

    with _failing_as_damaged():
        file = path.open("rb", buffering=0)
    with file:
        yield read


@contextmanager
def _failing_as_damaged() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_damage(error):
            raise DamagedCopyError from error
        raise


def _copy(read: Callable[[int], bytes], place: Path, mode: int) -> tuple[int, str]:
    """Copy to a new file what *read* returns; return size and SHA-256 of what was copied."""
    size, digest = 0, hashlib.sha256()
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb", buffering=0) as copy:
        give_to_owner(descriptor, place.parent)
        while chunk := read(CHUNK):
            size += len(chunk)
            digest.update(chunk)
            rest = memoryview(chunk)
            while rest:
                rest = rest[copy.write(rest) :]
    return size, digest.hexdigest()

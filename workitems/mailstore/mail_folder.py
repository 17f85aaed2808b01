"""One mail's folder on the disk, and one folder of such folders; blocking, so never called on the event loop.

    <folder>/<fingerprint>.eml    raw mail, as it came
             <fingerprint>.json   sidecar; written last, so its presence says that the raw mail is whole
             reading.json         text, sanitized HTML, evidence, all fields
             attachment-<n>

Names are text and not `Path`, for what `workitems.mailstore.durable_files` says.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from workitems.base.errors import DecodeError, NoLongerKeptError
from workitems.base.log import get_logger
from workitems.mailstore import durable_files
from workitems.mailstore.sidecar import RawMail, Sidecar

log = get_logger("mailstore")

T = TypeVar("T")

#: A file's name and its content.
File = tuple[str, bytes]

#: The file name of a reading.
READING_FILE = "reading.json"

#: The end of a reading; JSON has no such byte inside.
READING_END = b"\n"

#: Seconds after which a temporary file is one that a killed process left.
_LEFT_BEHIND = 3600.0


@dataclass(frozen=True, slots=True)
class FolderSize:
    """The number of files, and their bytes."""

    files: int
    octets: int


def store(place: str, mails: Sequence[tuple[str, Sidecar, bytes]]) -> None:
    """Store each raw mail in its folder, below *place*; return when all are on the disk, also those that were there."""
    files: list[File] = []
    existing: dict[str, None] = {}
    for folder, sidecar, raw in mails:
        if _exists(f"{folder}/{sidecar.raw}.json"):
            existing[folder] = None
        else:
            files += [(f"{folder}/{sidecar.raw}.eml", raw), (f"{folder}/{sidecar.raw}.json", sidecar.encode())]
    durable_files.sync_folders(
        existing
    )  # the process that stored these may have died before this, or may still be at it
    if files:
        durable_files.write_files(place, files)


def adopt(place: str, folder: str, sidecar: Sidecar, file: str) -> None:
    """Store a mail that is in a synced file on the same disk; the file stays with its owner."""
    if not _exists(f"{folder}/{sidecar.raw}.json"):
        durable_files.make_folder(folder)
        _link(file, f"{folder}/{sidecar.raw}.eml")
        durable_files.write_files(place, [(f"{folder}/{sidecar.raw}.json", sidecar.encode())])
    durable_files.sync_folders([folder])


def raw_mails(folder: str) -> list[RawMail]:
    """Return the raw mails, the first to arrive first. FileNotFoundError; NoLongerKeptError for mere sidecars."""
    return _some_kept(
        [RawMail(sidecar, raw) for sidecar in sidecars(folder) if (raw := _raw(folder, sidecar)) is not None]
    )


def kept_sidecars(folder: str) -> list[Sidecar]:
    """Return those of `sidecars` whose raw mail was not removed for its age; raises as `raw_mails`."""
    return _some_kept([each for each in sidecars(folder) if _exists(f"{folder}/{each.raw}.eml")])


def sidecars(folder: str) -> list[Sidecar]:
    """Return the sidecars of a mail's variants, the first to arrive first. FileNotFoundError when there is none."""
    found = [Sidecar.decode(_read(f"{folder}/{name}")) for name in os.listdir(folder) if _is_sidecar(name)]
    if not found:
        raise FileNotFoundError
    return sorted(found, key=lambda sidecar: (sidecar.arrived, sidecar.uid or 0, sidecar.raw))


def discard(folder: str, sidecar: Sidecar) -> None:
    """Remove one variant, and with the last one the folder."""
    for name in (
        f"{sidecar.raw}.json",
        f"{sidecar.raw}.eml",
    ):  # the sidecar first: without a raw mail it would say that the mail is whole
        with suppress(FileNotFoundError):
            os.unlink(f"{folder}/{name}")
    with suppress(OSError):  # the folder stays while it has other variants
        os.rmdir(folder)


def read_reading(folder: str) -> dict[str, Any]:
    """Return the reading of the mail. FileNotFoundError when there is no whole one."""
    try:
        found: dict[str, Any] = json.loads(_read(f"{folder}/{READING_FILE}"))
    except ValueError as error:  # truncated by a power failure; the repair has it read again
        raise FileNotFoundError from error
    return found


def stored_sidecars(shard: str, before: float) -> Iterator[Sidecar]:
    """Yield the sidecars written by *before* (seconds since 1970). One that cannot be decoded must not hide the others.

    Also removes temporary files that killed processes left.
    """
    for folder in sorted(os.listdir(shard)):
        for name in _names(f"{shard}/{folder}"):
            file = f"{shard}/{folder}/{name}"
            try:
                if (
                    name.endswith(durable_files.TEMPORARY_SUFFIX)
                    and os.stat(file).st_mtime < time.time() - _LEFT_BEHIND
                ):
                    os.unlink(file)
                if _is_sidecar(name) and os.stat(file).st_mtime <= before:
                    yield Sidecar.decode(_read(file))
            except FileNotFoundError:  # removed in between
                continue
            except DecodeError:
                log.warning("a sidecar cannot be decoded", item=folder, file=name)


def folders_without_reading(shard: str, before: float) -> Iterator[str]:
    """Yield the names of the folders with mail stored by *before* (seconds since 1970) and no whole reading."""
    for name in sorted(os.listdir(shard)):
        folder = f"{shard}/{name}"
        raws = [f"{folder}/{each}" for each in _names(folder) if each.endswith(".eml")]
        with suppress(FileNotFoundError):  # removed in between
            if raws and min(os.stat(raw).st_mtime for raw in raws) <= before and not _is_read(folder):
                yield name


def shard_size(shard: str) -> FolderSize:
    """Return the size of all files of the mails in *shard*; those that are removed meanwhile count for nothing."""
    files = octets = 0
    for folder in os.listdir(shard):
        for name in _names(f"{shard}/{folder}"):
            with suppress(FileNotFoundError):
                octets += os.stat(f"{shard}/{folder}/{name}", follow_symlinks=False).st_size
                files += 1
    return FolderSize(files, octets)


def _raw(folder: str, sidecar: Sidecar) -> bytes | None:
    """Return the raw mail, or None when it was removed for its age."""
    with suppress(FileNotFoundError):
        return _read(f"{folder}/{sidecar.raw}.eml")
    return None


def _some_kept(found: list[T]) -> list[T]:
    if not found:
        raise NoLongerKeptError("the raw mail is no longer kept; what was read from it stays")
    return found


def _is_read(folder: str) -> bool:
    """Return whether there is a whole reading: its last byte says so; readings of an older program lack that byte."""
    try:
        with open(f"{folder}/{READING_FILE}", "rb") as file:
            file.seek(-1, os.SEEK_END)
            if file.read() != READING_END:
                read_reading(folder)
    except OSError:
        return False
    return True


def _is_sidecar(name: str) -> bool:
    return name.endswith(".json") and name != READING_FILE


def _link(file: str, place: str) -> None:
    temporary = durable_files.temporary_name(place)
    try:
        os.link(file, temporary)
        os.rename(temporary, place)
    finally:
        with suppress(FileNotFoundError):  # a rename between two names of one file leaves both (rename(2))
            os.unlink(temporary)


def _read(name: str) -> bytes:
    with open(name, "rb", buffering=0) as file:
        return file.readall()


def _exists(name: str) -> bool:
    """Return whether the file exists. `os.path.exists` would also say no when the disk fails."""
    try:
        os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []

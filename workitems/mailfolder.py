"""One mail's folder on the disk, and one folder of such folders; blocking, so never called on the event loop.

    <folder>/<fingerprint>.eml    raw mail, as it came
             <fingerprint>.json   sidecar; written last, so its presence says that the raw mail is whole
             reading.json         text, sanitized HTML, evidence, all fields
             attachment-<n>

Names are text and not `Path`, for what `workitems.durable` says.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from workitems import durable
from workitems.errors import DecodeError, NoLongerKeptError
from workitems.log import get_logger
from workitems.sidecar import Sidecar, Stored

log = get_logger("mailstore")

T = TypeVar("T")

#: A file and what it is to hold.
File = tuple[str, bytes]

#: The reading's name.
READING = "reading.json"

#: The end of a reading, which nothing in it holds.
WHOLE = b"\n"

#: Seconds after which a temporary file is what a process left that was killed while it wrote.
_LEFT_BEHIND = 3600.0


def put(place: str, mails: Sequence[tuple[str, Sidecar, bytes]]) -> None:
    """Store each raw mail in its folder, below *place*; returns when all are on the disk, those too that were there."""
    files: list[File] = []
    there: dict[str, None] = {}
    for folder, sidecar, raw in mails:
        if _exists(f"{folder}/{sidecar.raw}.json"):
            there[folder] = None
        else:
            files += [(f"{folder}/{sidecar.raw}.eml", raw), (f"{folder}/{sidecar.raw}.json", sidecar.encode())]
    durable.sync(there)  # whoever put these may have been cut off before this, or may not be there yet
    if files:
        durable.write(place, files)


def adopt(place: str, folder: str, sidecar: Sidecar, file: str) -> None:
    """As `put` for a mail in a synced file on the same disk, which stays its owner's."""
    if not _exists(f"{folder}/{sidecar.raw}.json"):
        durable.make(folder)
        _link(file, f"{folder}/{sidecar.raw}.eml")
        durable.write(place, [(f"{folder}/{sidecar.raw}.json", sidecar.encode())])
    durable.sync([folder])


def versions(folder: str) -> list[Stored]:
    """The raw mails, the one that came first in front. FileNotFoundError, or NoLongerKeptError for sidecars alone."""
    return _some_kept(
        [Stored(sidecar, raw) for sidecar in sidecars(folder) if (raw := _raw(folder, sidecar)) is not None]
    )


def kept(folder: str) -> list[Sidecar]:
    """Those of `sidecars` whose raw mail was not removed for its age; raises as `versions`."""
    return _some_kept([each for each in sidecars(folder) if _exists(f"{folder}/{each.raw}.eml")])


def sidecars(folder: str) -> list[Sidecar]:
    """The sidecars of a mail's versions, the one that came first in front. FileNotFoundError without any."""
    found = [Sidecar.decode(_read(f"{folder}/{name}")) for name in os.listdir(folder) if _is_sidecar(name)]
    if not found:
        raise FileNotFoundError
    return sorted(found, key=lambda sidecar: (sidecar.arrived, sidecar.uid or 0, sidecar.raw))


def discard(folder: str, sidecar: Sidecar) -> None:
    """Take one version away, and the folder with the last one."""
    for name in (f"{sidecar.raw}.json", f"{sidecar.raw}.eml"):  # the sidecar first: alone it would lie
        with suppress(FileNotFoundError):
            os.unlink(f"{folder}/{name}")
    with suppress(OSError):  # where other versions are, the folder stays
        os.rmdir(folder)


def reading(folder: str) -> dict[str, Any]:
    """What was cut out of the mail. FileNotFoundError without a whole one."""
    try:
        found: dict[str, Any] = json.loads(_read(f"{folder}/{READING}"))
    except ValueError as error:  # cut off by a power cut; the repair has it read again
        raise FileNotFoundError from error
    return found


def stored(shard: str, before: float) -> Iterator[Sidecar]:
    """Sidecars written by *before* (seconds since 1970). One that cannot be understood must not hide the others.

    On the way, what processes left that were killed while they wrote is taken away.
    """
    for folder in sorted(os.listdir(shard)):
        for name in _names(f"{shard}/{folder}"):
            file = f"{shard}/{folder}/{name}"
            try:
                if name.endswith(durable.TEMPORARY) and os.stat(file).st_mtime < time.time() - _LEFT_BEHIND:
                    os.unlink(file)
                if _is_sidecar(name) and os.stat(file).st_mtime <= before:
                    yield Sidecar.decode(_read(file))
            except FileNotFoundError:  # removed in between
                continue
            except DecodeError:
                log.warning("a sidecar cannot be understood", item=folder, file=name)


def unread(shard: str, before: float) -> Iterator[str]:
    """Names of the folders with mail stored by *before* (seconds since 1970) and no whole reading."""
    for name in sorted(os.listdir(shard)):
        folder = f"{shard}/{name}"
        raws = [f"{folder}/{each}" for each in _names(folder) if each.endswith(".eml")]
        with suppress(FileNotFoundError):  # removed in between
            if raws and min(os.stat(raw).st_mtime for raw in raws) <= before and not _is_read(folder):
                yield name


def _raw(folder: str, sidecar: Sidecar) -> bytes | None:
    """None when it was removed for its age."""
    with suppress(FileNotFoundError):
        return _read(f"{folder}/{sidecar.raw}.eml")
    return None


def _some_kept(found: list[T]) -> list[T]:
    if not found:
        raise NoLongerKeptError("the raw mail is no longer kept; what was read from it stays")
    return found


def _is_read(folder: str) -> bool:
    """Whether there is a whole reading: only its end tells; one of an older program has none."""
    try:
        with open(f"{folder}/{READING}", "rb") as file:
            file.seek(-1, os.SEEK_END)
            if file.read() != WHOLE:
                reading(folder)
    except OSError:
        return False
    return True


def _is_sidecar(name: str) -> bool:
    return name.endswith(".json") and name != READING


def _link(file: str, place: str) -> None:
    temporary = durable.temporary_name(place)
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
    """As `os.path.exists`, which takes a disk that fails for a file that is not there."""
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

"""Damaged files of a backup: which they are, what each costs, and how the next backup mends them.

Paths are those in the backup, such as `mail/ab/wi_…/reading.json`.
"""

import errno
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from workitems.backup.file_list import StoredFile
from workitems.backup.part import hash_file
from workitems.mailstore.mail_folder import READING_FILE

#: Problems that are named: a backup with more is no better known.
MAX_PROBLEMS = 1000

#: Files of the durable state that a restore makes again from what the backup has of Redis.
STORE_FILE, TOMBSTONE_FILE = "mail/.tubepost/store", "mail/.tubepost/gone"

_IMPORT = "run.py import NAME --start all takes it from its mailbox again, if it is still there"

#: Path of a file, with the id of its item → what its damage costs.
_COSTS = (
    (r"mail/\w+/(\w+)/[0-9a-f]+\.eml", f"the raw mail of {{0}} is lost, what was read from it stays; {_IMPORT}"),
    (
        r"mail/\w+/(\w+)/[0-9a-f]+\.json",
        f"the raw mail of {{0}} cannot be shown or read again, as nothing says where it came from; {_IMPORT}",
    ),
    (
        rf"mail/\w+/(\w+)/{re.escape(READING_FILE)}",
        "the text and HTML of {0}; a worker reads them from its raw mail again, if that is whole and still kept",
    ),
    (
        r"mail/\w+/(\w+)/(attachment-\d+)",
        "{1} of {0}; a worker reads it from the raw mail again, if that is whole and still kept",
    ),
    (
        re.escape(TOMBSTONE_FILE),
        "it is made again; an item that was removed while the backup was made may be there, without its mail",
    ),
    (r"mail/\.tubepost/(references|users|keys)", "nothing: Redis has the same, and the programs write it again"),
    (
        r"mail/\.tubepost/start-\w+",
        "nothing now; should Redis lose its data later, mail that came before that may not be read. "
        "run.py import takes it then",
    ),
    (r"settings/secret", "people must sign in again"),
    (r"settings/(.+)", "this copy of {0}: take it from elsewhere"),
)


#: The end of the name of a damaged copy that was set aside: the next backup copies the file again and removes this.
_DAMAGED = ".damaged"


#: Errors of single blocks of a disk, and of checksums of a file system. That a whole disk is away has others.
_OF_BLOCKS = {errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.ENODATA}


class DamagedCopyError(Exception):
    """A file of a backup is missing, has other bytes than it was stored with, or cannot be read from its disk."""


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A file of a backup that is missing or has other bytes, and what that costs."""

    path: str
    cost: str


@dataclass(slots=True)
class Damage:
    """The damaged files of a backup: their number, and the first of them."""

    count: int = 0
    files: list[DamagedFile] = field(default_factory=list)

    def add(self, path: str) -> None:
        self.count += 1
        if len(self.files) < MAX_PROBLEMS:
            self.files.append(DamagedFile(path, describe_cost(path)))


def is_damage(error: OSError) -> bool:
    """Return whether an error says that one file is missing or its bytes cannot be read, and not that a right lacks."""
    return isinstance(error, (FileNotFoundError, NotADirectoryError)) or error.errno in _OF_BLOCKS


def describe_cost(path: str) -> str:
    """Return what is missing after a restore without this file, and what brings it back."""
    for pattern, cost in _COSTS:
        if found := re.fullmatch(pattern, path):
            return cost.format(*found.groups())
    return "this file"


def is_left_out(name: str, damaged: Collection[str], restored: Collection[str]) -> bool:
    """Return whether the whole file *name* is left out, since others in the folder of its mail are *damaged*.

    A sidecar says that its raw mail is whole: without it, an import stores the mail again. A reading says that its
    attachments are there: without it, a worker makes all of them again. *restored*: what is there already.
    """
    if name == READING_FILE:
        has_raw = any(each.endswith(".eml") for each in restored)
        return has_raw and bool(damaged) and all(each.startswith("attachment-") for each in damaged)
    return name.endswith(".json") and f"{name.removesuffix('.json')}.eml" in damaged


def is_copied(target: Path, file: StoredFile, *, contents: bool) -> bool:
    """Return whether the backup *target* has a file, with its size, and with *contents* with its bytes.

    A copy that the disk cannot read is none. Raises OSError for all other errors.
    """
    path = target / file.stored_path
    try:
        if contents:
            return hash_file(path) == (file.size, file.sha256)
        return path.stat().st_size == file.size
    except OSError as error:
        if is_damage(error):
            return False
        raise


def set_aside(target: Path, file: StoredFile) -> None:
    """Rename a damaged copy, so that the next backup copies the file again. Raises OSError."""
    with suppress(FileNotFoundError):
        path = target / file.stored_path
        path.rename(path.with_name(f"{path.name}{_DAMAGED}"))


def take_back(target: Path, file: StoredFile) -> bool:
    """Return whether there is any copy of a file, whole or not; undo `set_aside` if there is no other one."""
    path = target / file.stored_path
    if not path.exists():
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}{_DAMAGED}").rename(path)
    return path.exists()

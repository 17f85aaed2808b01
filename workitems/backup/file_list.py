"""The list of a backup's files, in the order in which they are copied.

A file is stored under its path and a part of its checksum. So a file of a complete backup is never written again: not
when the original changes, and not when a backup is interrupted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Self

#: Digits of the SHA-256 in the name of a stored file.
_DIGITS = 16


#: The beginning of the paths of the durable state.
DURABLE_STATE = "mail/.tubepost/"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file: its path in the backup, such as `mail/ab/wi_…/reading.json`, its size, time of change and SHA-256."""

    path: str
    size: int
    mtime_ns: int
    sha256: str

    @property
    def stored_path(self) -> str:
        return f"{self.path}.{self.sha256[:_DIGITS]}"

    @property
    def group(self) -> str:
        return group_of(self.path)

    def encode(self) -> list[Any]:
        return [self.path, self.size, self.mtime_ns, self.sha256]

    @classmethod
    def decode(cls, record: list[Any]) -> Self:
        return cls(*record)


def group_of(path: str) -> str:
    """Return the first two names of a path: one folder of the mail store, whose files are worked on together."""
    return "/".join(path.split("/", 2)[:2])


def order_of(group: str) -> tuple[str, bool, str]:
    """Return what groups are sorted by. The durable state (`.tubepost`) comes after all mail.

    A mail that was removed while the backup was made has its tombstone there: it is written before the mail is removed.
    """
    top, _, name = group.partition("/")
    return top, name.startswith("."), name


class FileGroups:
    """The files of a list, group by group; only one group is in memory."""

    def __init__(self, files: Iterable[StoredFile]) -> None:
        self._groups = groupby(files, key=lambda file: file.group)
        self._next = next(self._groups, None)

    def take(self, group: str) -> dict[str, StoredFile]:
        """Return path → file of a group. Groups must be asked for in their order; those in between are left out."""
        while self._next is not None and order_of(self._next[0]) < order_of(group):
            self._next = next(self._groups, None)
        if self._next is None or self._next[0] != group:
            return {}
        found = {file.path: file for file in self._next[1]}
        self._next = next(self._groups, None)
        return found


def decoded(records: Iterable[list[Any]]) -> Iterator[StoredFile]:
    return map(StoredFile.decode, records)

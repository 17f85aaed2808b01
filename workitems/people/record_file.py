"""The file of a set of records. It is replaced as a whole, under the lock of its folder. Everything here blocks.

{"schema": 1, "revision": 7, "records": {"ada": "…"}}
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from workitems.base.errors import MailStoreUnavailableError
from workitems.base.json_codec import encode_json
from workitems.mailstore import durable_files

SCHEMA_VERSION = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Copy:
    """All records of a set, by name, as its file or its hash has them. Revision 0: this program never changed them."""

    revision: int
    records: dict[str, str]


def choose(hashed: Copy, stored: Copy) -> Copy:
    """Return what hash and file must both have: the copy with the higher revision.

    Different records under one revision: only a program that knows no revisions writes to the hash alone, such as the
    version before. Its change counts as the next revision.
    """
    if hashed.revision == stored.revision and hashed.records != stored.records:
        return Copy(stored.revision + 1, hashed.records)
    return hashed if hashed.revision > stored.revision else stored


class RecordFile:
    """One file. Every method raises OSError, or MailStoreUnavailableError with what to do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def identify(self) -> tuple[int, ...]:
        """Return what changes whenever the file is replaced; () without a file."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode

    def load(self) -> Copy:
        """Return what the file has; revision 0 without a file."""
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:  # as a restore or a copy by hand may leave it
                    os.fchmod(file.fileno(), 0o600)
                raw = file.read()
        except FileNotFoundError:
            return Copy(0, {})
        except PermissionError:
            raise self._unreadable("cannot be read by this user: let it belong to the user of the servers") from None
        try:
            found = json.loads(raw)
            if found["schema"] > SCHEMA_VERSION:
                raise self._unreadable("was written by a newer version of Tubepost: use that one")
            return Copy(int(found["revision"]), {str(name): str(text) for name, text in found["records"].items()})
        except (ValueError, TypeError, KeyError, AttributeError):
            cure = "restore it from a backup, or remove it: then what Redis has counts"
            raise self._unreadable(f"cannot be decoded: {cure}") from None

    def renew(self, copy: Copy) -> Copy:
        """Write *copy* unless the file has become newer meanwhile; return what the file has then."""
        with self._locked():
            stored = self.load()
            return self._write(copy) if stored.revision < copy.revision else stored

    def edit(self, edit: Callable[[dict[str, str]], T]) -> tuple[T, Copy]:
        """Have *edit* change the records; return its result and what the file has then."""
        with self._locked():
            stored = self.load()
            records = dict(stored.records)
            result = edit(records)
            changed = records != stored.records
            return result, self._write(Copy(stored.revision + 1, records)) if changed else stored

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = self.path.parent
        if not folder.exists():  # nothing is made here: this may be another machine than that of the mail store
            raise MailStoreUnavailableError(
                f"there is no mail store in {folder.parent} yet: start a worker first, then repeat this where it runs",
                "there is none yet",
            )
        with durable_files.locked(folder):
            yield

    def _write(self, copy: Copy) -> Copy:
        content = encode_json({"schema": SCHEMA_VERSION, "revision": copy.revision, "records": copy.records})
        durable_files.write_private(self.path, content)
        return copy

    def _unreadable(self, why: str) -> MailStoreUnavailableError:
        return MailStoreUnavailableError(f"{self.path} {why}", "its users and keys cannot be read")

"""Raw mail and its readings, as files that survive a power failure.

    <data>/mail/<2 characters>/<item id>/    one mail: see workitems/mailstore/mail_folder.py

Other bytes of the same mail (a variant) are another pair of files in the same folder. Stored files survive a
power failure (`workitems.mailstore.durable_files`).
"""

import re
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from workitems.base.errors import NotFoundError, TubepostError
from workitems.base.group_commit import GroupCommit
from workitems.base.json_codec import encode_json
from workitems.base.threads import Threads
from workitems.mailstore import durable_files, mail_folder
from workitems.mailstore.disk_check import RequiredMarker, write_and_read
from workitems.mailstore.mail_folder import READING_END, READING_FILE, File, FolderSize
from workitems.mailstore.sidecar import RawMail, Sidecar
from workitems.mailstore.stored_file import StoredFile

#: Threads that wait for the disk; more would only wait there. People who open mail have as many of their own.
THREADS = 4

#: Readings that are written, and mails that are read, in one group.
MAX_WRITE_GROUP, MAX_READ_GROUP = 64, 32

_ITEM_ID = re.compile(r"wi_[a-z2-7]{26}")

P = ParamSpec("P")
R = TypeVar("R")


class MailStore:
    """Raw mails and readings in local files. A full, broken or absent disk raises MailStoreUnavailableError."""

    def __init__(self, folder: Path, *, seconds: float | None = None) -> None:
        """*seconds*: how long a call waits for the disk, then it raises MailStoreUnavailableError; None: for ever."""
        self.folder = folder
        self.seconds = seconds
        self._place = str(folder)
        #: Makes sure that this is the right store; called before an absence is believed, until the marker is known.
        self.identify: Callable[[], Awaitable[None]] | None = None
        self.marker = RequiredMarker()
        #: For all work on this disk but that of `_readers`.
        self.threads = Threads(THREADS, "mailstore")
        #: For readings and files that people open: however many hang, mail can be put.
        self._readers = Threads(THREADS, "mailstore-read")
        self._write_grouped: GroupCommit[list[File], None] = GroupCommit(self._write_together, max_size=MAX_WRITE_GROUP)
        self._get_grouped: GroupCommit[str, list[RawMail]] = GroupCommit(self._get_together, max_size=MAX_READ_GROUP)

    def close(self) -> None:
        """Wait until all writes are done."""
        self.threads.close()
        self._readers.close()

    async def store(self, sidecar: Sidecar, raw: bytes) -> None:
        """Return when both files and their names are on the disk. It is safe to store the same again."""
        await self.store_all([(sidecar, raw)])

    async def store_all(self, mails: Sequence[tuple[Sidecar, bytes]]) -> None:
        """Store each of *mails*; when it raises, some may have been stored."""
        await self.run_in_thread(self._put_all, mails)

    async def adopt(self, sidecar: Sidecar, path: Path) -> None:
        """Store a mail that is in a synced file on the same disk. The caller removes the file later."""
        await self.run_in_thread(self._adopt, sidecar, path)

    async def get_raw_mails(self, item_id: str) -> list[RawMail]:
        """Return all variants of a mail, the first to arrive first.

        Raises NotFoundError when there is none, NoLongerKeptError when only sidecars are left.
        """
        async with self._confirming_absence():
            return await self._get_grouped(item_id)

    async def kept_sidecars(self, item_id: str) -> list[Sidecar]:
        """Return the sidecars of what `get_raw_mails` returns."""
        return await self.run_in_thread(lambda: mail_folder.kept_sidecars(self._of(item_id)))

    async def all_sidecars(self, item_id: str) -> list[Sidecar]:
        """Return the sidecars of all variants, also where the raw mail is no longer kept. Raises NotFoundError."""
        return await self.run_in_thread(lambda: mail_folder.sidecars(self._of(item_id)))

    async def store_reading(self, item_id: str, reading: dict[str, Any], attachments: Sequence[bytes]) -> None:
        """Store the reading of a mail: *reading* is JSON, *attachments* are numbered from 1.

        A mail can be read again, so a reading alone does not wait for the disk: after a power failure
        `items_without_reading` finds what is missing. Attachments survive one: a truncated one could not be detected.
        """
        folder = self._of(item_id)
        files = [(f"{folder}/attachment-{n}", content) for n, content in enumerate(attachments, 1)]
        await self._write_grouped([*files, (f"{folder}/{READING_FILE}", encode_json(reading) + READING_END)])

    async def items_without_reading(self, shard: Path, *, older_than: float = 0.0) -> list[str]:
        """Return the ids of mails in one folder of `shards` without a reading, stored *older_than* seconds ago."""
        return await self.run_in_thread(
            lambda: list(mail_folder.folders_without_reading(str(shard), time.time() - older_than))
        )

    async def get_reading(self, item_id: str) -> dict[str, Any]:
        """Return the reading. NotFoundError: not read yet, the reading was lost, or the item never came by mail."""
        return await self._read_in_thread(lambda: mail_folder.read_reading(self._of(item_id)))

    async def raw_path(self, item_id: str) -> Path:
        """Return the file of the raw mail, of several variants the first to arrive. Raises as `get_raw_mails`."""
        return await self._read_in_thread(self._raw, item_id)

    async def variant_path(self, sidecar: Sidecar) -> Path:
        """Return the file of the raw mail of one variant. Raises NotFoundError."""
        return await self.run_in_thread(lambda: _existing(Path(self._of(sidecar.id), f"{sidecar.raw}.eml")))

    async def attachment_path(self, item_id: str, n: int) -> Path:
        """Return the file of an attachment. Raises NotFoundError."""
        return await self._read_in_thread(lambda: _existing(Path(self._of(item_id), f"attachment-{n:d}")))

    @asynccontextmanager
    async def opened(self, path: Path) -> AsyncIterator[StoredFile]:
        """Open a file of this mail store inside the block. Raises NotFoundError."""
        async with self._confirming_absence():
            with durable_files.translating_disk_errors():
                opening = partial(self._guarded, StoredFile, path, self._read_in_thread)
                file = await self._readers.acquire_within(self.seconds, opening, StoredFile.close)
        try:
            yield file
        finally:
            file.close()

    async def discard(self, sidecar: Sidecar) -> None:
        """Remove one variant of a mail; do nothing when it is not there."""
        await self.run_in_thread(lambda: mail_folder.discard(self._of(sidecar.id), sidecar))

    async def remove(self, item_id: str) -> None:
        """Remove every byte of a mail; do nothing when there is none."""
        await self.run_in_thread(self._remove, item_id)

    async def check_writable(self) -> None:
        """Write and read a small file. Raises MailStoreUnavailableError when that fails."""
        await self.run_in_thread(self._check)

    async def shards(self) -> list[Path]:
        """Return the folders among which mail is spread, for `stored_sidecars`."""
        return await self.run_in_thread(self._shards)

    async def shard_size(self, shard: Path) -> FolderSize:
        """Return the size of one folder of `shards`. Raises NotFoundError when it was removed."""
        return await self.run_in_thread(mail_folder.shard_size, str(shard))

    async def stored_sidecars(self, shard: Path, *, older_than: float = 0.0) -> list[Sidecar]:
        """Return the sidecars of all whole mails in one folder of `shards`, stored *older_than* seconds ago."""
        return await self.run_in_thread(lambda: list(mail_folder.stored_sidecars(str(shard), time.time() - older_than)))

    async def run_unchecked(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of *work* on this disk, whether it is the right store or not."""
        with durable_files.translating_disk_errors():
            if self.seconds is None:
                return await self.threads.run_shielded(work, *args, **kwargs)
            return await self.threads.run_within(self.seconds, work, *args, **kwargs)

    async def run_in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of *work* on this disk, if it is the right store. A missing file raises NotFoundError."""
        async with self._confirming_absence():
            return await self.run_unchecked(lambda: self._guarded(work, *args, **kwargs))

    async def _read_in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        async with self._confirming_absence():
            with durable_files.translating_disk_errors():
                return await self._readers.run_within(self.seconds, lambda: self._guarded(work, *args, **kwargs))

    @asynccontextmanager
    async def _confirming_absence(self) -> AsyncIterator[None]:
        """Raise NotFoundError only from a store that is known to be the right one: else its disk may be absent."""
        try:
            yield
        except NotFoundError:
            if not self.marker.is_known and self.identify is not None:
                await self.identify()
            raise

    def _guarded(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        self.marker.check()
        return _guarded(work, *args, **kwargs)

    def _of(self, item_id: str) -> str:
        if not _ITEM_ID.fullmatch(item_id):
            raise NotFoundError("no such item")
        return f"{self._place}/{item_id[3:5]}/{item_id}"

    # Here and in all that writes: a folder that is missing means that the disk went away, not that the mail is unknown.
    @durable_files.translating_disk_errors()
    def _put_all(self, mails: Sequence[tuple[Sidecar, bytes]]) -> None:
        mail_folder.store(self._place, [(self._of(sidecar.id), sidecar, raw) for sidecar, raw in mails])

    async def _write_together(self, groups: Sequence[list[File]]) -> list[Exception | None]:
        return await self.run_in_thread(self._write_all, groups)

    def _write_all(self, groups: Sequence[list[File]]) -> list[Exception | None]:
        """Write several readings, those with attachments together; if that fails, each alone: one may not fit."""
        large = [file for group in groups if len(group) > 1 for file in group]
        try:
            if large:
                durable_files.write_files(self.folder, large)
        except OSError:
            large = []
        return [None if large and len(group) > 1 else _tried(self._write, group) for group in groups]

    @durable_files.translating_disk_errors()
    def _write(self, files: list[File]) -> None:
        if len(files) > 1:
            durable_files.write_files(self.folder, files)
        else:
            durable_files.write_atomically(*files[0])

    async def _get_together(self, item_ids: Sequence[str]) -> list[list[RawMail] | Exception]:
        return await self.run_in_thread(lambda: [_tried(self._get, item_id) for item_id in item_ids])

    @durable_files.translating_disk_errors()
    def _adopt(self, sidecar: Sidecar, path: Path) -> None:
        mail_folder.adopt(self._place, self._of(sidecar.id), sidecar, str(path))

    def _get(self, item_id: str) -> list[RawMail]:
        return mail_folder.raw_mails(self._of(item_id))

    def _raw(self, item_id: str) -> Path:
        folder = self._of(item_id)
        return Path(folder, f"{mail_folder.kept_sidecars(folder)[0].raw}.eml")

    def _remove(self, item_id: str) -> None:
        folder = Path(self._of(item_id))
        if folder.exists():
            shutil.rmtree(folder, onerror=_unless_gone)
            durable_files.sync_folders([folder.parent])

    @durable_files.translating_disk_errors()
    def _check(self) -> None:
        write_and_read(self.folder)

    def _shards(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_dir()) if self.folder.exists() else []


def _guarded(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do *work* and translate its OSError."""
    with durable_files.translating_disk_errors():
        try:
            return work(*args, **kwargs)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError("the mail store holds no such mail") from error


def _tried(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | Exception:
    """Do *work* as `_guarded`, and return its error."""
    try:
        return _guarded(work, *args, **kwargs)
    except TubepostError as error:  # the group commit raises it to the caller of that mail
        return error


def _unless_gone(_work: object, _path: str, error: tuple[type[BaseException], BaseException, TracebackType]) -> None:
    """Ignore a missing file: two processes may remove one folder at once."""
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError
    return path

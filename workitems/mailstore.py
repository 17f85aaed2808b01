"""Raw mail and what was cut out of it, as files that survive a power cut.

    <data>/mail/<2 characters>/<item id>/    one mail: see workitems/mailfolder.py

Other bytes of the same mail (a variant) are another pair of files in the same folder. What was put survives a power
cut (`workitems.durable`).
"""

import asyncio
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from workitems import durable, mailfolder
from workitems.errors import NotFoundError, StoreUnavailableError
from workitems.event import encoded
from workitems.mailfolder import READING, WHOLE, File
from workitems.sidecar import Sidecar, Stored
from workitems.together import Together

#: Threads that wait for the disk; more would only queue there.
THREADS = 4

#: Mails that are written, and that are fetched, in one go.
MOST_WRITTEN, MOST_FETCHED = 64, 32

_ITEM_ID = re.compile(r"wi_[a-z2-7]{26}")

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def _writing() -> Iterator[None]:
    """A folder that is missing while we write is a disk that went away, and not a mail that we do not have."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreUnavailableError(f"the mail store cannot serve: {error.strerror}") from error


class MailStore:
    """Local files. Nothing here runs on the event loop; a full or broken disk is StoreUnavailableError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._place = str(folder)
        self._marker: Path | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mailstore")
        self._write_soon: Together[list[File], None] = Together(self._write_together, most=MOST_WRITTEN)
        self._get_soon: Together[str, list[Stored]] = Together(self._get_together, most=MOST_FETCHED)

    def close(self) -> None:
        """Wait for what is being written."""
        self._threads.shutdown()

    def expect(self, marker: Path) -> None:
        """From now on nothing is read or written while the file *marker* is missing: the disk is not mounted."""
        self._marker = marker

    async def put(self, sidecar: Sidecar, raw: bytes) -> None:
        """Returns when both files and their names are on the disk. Putting the same again does no harm."""
        await self.put_all([(sidecar, raw)])

    async def put_all(self, mails: Sequence[tuple[Sidecar, bytes]]) -> None:
        """As `put` for each of *mails*; when it raises, some may have been put."""
        await self._off_loop(self._put_all, mails)

    async def adopt(self, sidecar: Sidecar, path: Path) -> None:
        """As `put` for a mail in a synced file on the same disk. The file stays its owner's, to be removed after."""
        await self._off_loop(self._adopt, sidecar, path)

    async def get(self, item_id: str) -> list[Stored]:
        """All versions of a mail, the one that came first in front.

        Raises NotFoundError when there is none, NoLongerKeptError when all that is left are their sidecars.
        """
        return await self._get_soon(item_id)

    async def versions(self, item_id: str) -> list[Sidecar]:
        """The same without the raw bytes."""
        return await self._off_loop(lambda: mailfolder.kept(self._of(item_id)))

    async def sidecars(self, item_id: str) -> list[Sidecar]:
        """Those of all versions, also where the raw mail is no longer kept. Raises NotFoundError."""
        return await self._off_loop(lambda: mailfolder.sidecars(self._of(item_id)))

    async def put_reading(self, item_id: str, reading: dict[str, Any], attachments: Sequence[bytes]) -> None:
        """What was cut out of the mail: *reading* is JSON-able, *attachments* are numbered from 1.

        All of it can be cut out again, so a reading alone does not wait for the disk: after a power cut `unread` knows
        whose is missing. Attachments, of which nobody could see that they were cut off, survive one.
        """
        folder = self._of(item_id)
        files = [(f"{folder}/attachment-{n}", content) for n, content in enumerate(attachments, 1)]
        await self._write_soon([*files, (f"{folder}/{READING}", encoded(reading) + WHOLE)])

    async def unread(self, shard: Path, *, older_than: float = 0.0) -> list[str]:
        """Ids of the mails in one folder of `shards` that have no whole reading; as `stored` else."""
        return await self._off_loop(lambda: list(mailfolder.unread(str(shard), time.time() - older_than)))

    async def get_reading(self, item_id: str) -> dict[str, Any]:
        """Raises NotFoundError when the mail was not read yet, its reading was lost, or it never came by mail."""
        return await self._off_loop(lambda: mailfolder.reading(self._of(item_id)))

    async def raw(self, item_id: str) -> Path:
        """The file of the raw mail, of several versions the one that came first. Raises as `get` does."""
        return await self._off_loop(self._raw, item_id)

    async def attachment(self, item_id: str, n: int) -> Path:
        """The file of an attachment. Raises NotFoundError."""
        return await self._off_loop(lambda: _existing(Path(self._of(item_id), f"attachment-{n:d}")))

    async def discard(self, sidecar: Sidecar) -> None:
        """Take back one version of a mail; nothing happens when it is not there."""
        await self._off_loop(lambda: mailfolder.discard(self._of(sidecar.id), sidecar))

    async def remove(self, item_id: str) -> None:
        """Every byte of a mail; nothing happens when there is none."""
        await self._off_loop(self._remove, item_id)

    async def check(self) -> None:
        """Raises StoreUnavailableError when the folder cannot be written."""
        await self._off_loop(self._check)

    async def shards(self) -> list[Path]:
        """The folders among which mail is spread, for `stored`."""
        return await self._off_loop(self._shards)

    async def stored(self, shard: Path, *, older_than: float = 0.0) -> list[Sidecar]:
        """The sidecars of every whole mail in one folder of `shards` that was stored *older_than* seconds ago."""
        return await self._off_loop(lambda: list(mailfolder.stored(str(shard), time.time() - older_than)))

    async def _off_loop(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *work* in a thread, shielded: a cancelled caller must not leave a file half in its place."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._threads, partial(self._guarded, work, *args, **kwargs)))

    def _guarded(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._marker is not None and not self._marker.exists():
            raise StoreUnavailableError(f"the mail store's disk is not mounted: {self._marker} is missing")
        return _guarded(work, *args, **kwargs)

    def _of(self, item_id: str) -> str:
        if not _ITEM_ID.fullmatch(item_id):
            raise NotFoundError("no such item")
        return f"{self._place}/{item_id[3:5]}/{item_id}"

    @_writing()
    def _put_all(self, mails: Sequence[tuple[Sidecar, bytes]]) -> None:
        mailfolder.put(self._place, [(self._of(sidecar.id), sidecar, raw) for sidecar, raw in mails])

    async def _write_together(self, groups: Sequence[list[File]]) -> list[Exception | None]:
        return await self._off_loop(self._write_all, groups)

    def _write_all(self, groups: Sequence[list[File]]) -> list[Exception | None]:
        """Write several readings, attachments together; when that fails each for itself: one alone may not fit."""
        large = [file for group in groups if len(group) > 1 for file in group]
        try:
            if large:
                durable.write(self.folder, large)
        except OSError:
            large = []
        return [None if large and len(group) > 1 else _tried(self._write, group) for group in groups]

    @_writing()
    def _write(self, files: list[File]) -> None:
        if len(files) > 1:
            durable.write(self.folder, files)
        else:
            durable.replace(*files[0])

    async def _get_together(self, item_ids: Sequence[str]) -> list[list[Stored] | Exception]:
        return await self._off_loop(lambda: [_tried(self._get, item_id) for item_id in item_ids])

    @_writing()
    def _adopt(self, sidecar: Sidecar, path: Path) -> None:
        mailfolder.adopt(self._place, self._of(sidecar.id), sidecar, str(path))

    def _get(self, item_id: str) -> list[Stored]:
        return mailfolder.versions(self._of(item_id))

    def _raw(self, item_id: str) -> Path:
        folder = self._of(item_id)
        return Path(folder, f"{mailfolder.kept(folder)[0].raw}.eml")

    def _remove(self, item_id: str) -> None:
        folder = Path(self._of(item_id))
        if folder.exists():
            shutil.rmtree(folder, onerror=_unless_gone)
            durable.sync([folder.parent])

    @_writing()
    def _check(self) -> None:
        durable.make(self._place)
        probe = self.folder / f"check-{secrets.token_hex(6)}{durable.TEMPORARY}"
        try:
            probe.write_bytes(bytes(4096))  # an empty file would fit on a full disk
        finally:
            probe.unlink(missing_ok=True)

    def _shards(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_dir()) if self.folder.exists() else []


def _guarded(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do *work*; what the disk says becomes an error of ours."""
    try:
        return work(*args, **kwargs)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError("the mail store holds no such mail") from error
    except OSError as error:
        raise StoreUnavailableError(f"the mail store cannot serve: {error.strerror}") from error


def _tried(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | Exception:
    """As `_guarded`, with the error as the result."""
    try:
        return _guarded(work, *args, **kwargs)
    except Exception as error:  # noqa: BLE001  raised again where its mail is waited for
        return error


def _unless_gone(_work: object, _path: str, error: tuple[type[BaseException], BaseException, TracebackType]) -> None:
    """Two processes may take one folder away at once."""
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError
    return path

"""Raw mail and what was cut out of it, as files that survive a power cut.

    <data>/mail/<2 characters>/<item id>/<fingerprint>.eml    raw mail, as it came
                                         <fingerprint>.json   sidecar: where it came from; written last, so its presence
                                                              says that the raw mail is whole
                                         reading.json         text, sanitized HTML, evidence, all fields
                                         attachment-<n>

Other bytes of the same mail (a variant) are another pair of files in the same folder. What was put survives a power
cut (`workitems.durable`).
"""

import asyncio
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from workitems import durable
from workitems.durable import TEMPORARY
from workitems.errors import DecodeError, NoLongerKeptError, NotFoundError, StoreUnavailableError
from workitems.event import dumps
from workitems.log import get_logger
from workitems.together import Together

log = get_logger("mailstore")

SCHEMA = 1

#: Threads that wait for the disk; more would only queue there.
THREADS = 4

#: Mails that are written, and that are fetched, in one go.
MOST_WRITTEN, MOST_FETCHED = 64, 32

#: The end of a reading, which nothing in it holds.
_WHOLE = b"\n"

_ITEM_ID = re.compile(r"wi_[a-z2-7]{26}")

#: Seconds after which a temporary file is what a process left that was killed while it wrote.
_LEFT_BEHIND = 3600.0

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Where a raw mail came from. `arrived` is INTERNALDATE or the time of the post, ISO 8601 UTC, whole seconds."""

    id: str
    mailbox: str
    raw: str
    arrived: str
    source: str
    size: int
    oversized: bool = False
    uidvalidity: int | None = None
    uid: int | None = None
    folder: str = ""
    #: Whether the team sent it itself.
    own: bool = False
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    schema: int = SCHEMA

    def encode(self) -> bytes:
        return dumps({name: getattr(self, name) for name in self.__slots__}).encode()

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Unknown names are ignored, so that an older program reads what a newer one wrote."""
        try:
            known = {name: value for name, value in json.loads(raw).items() if name in cls.__slots__}
            return cls(**known | {"recipients": tuple(known.get("recipients", ()))})
        except (ValueError, TypeError, AttributeError) as error:
            raise DecodeError("a sidecar cannot be understood", raw) from error


@dataclass(frozen=True, slots=True)
class Stored:
    """One raw mail as it lies in the store."""

    sidecar: Sidecar
    raw: bytes


#: A file and what it is to hold.
File = tuple[Path, bytes]


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
        return await self._off_loop(lambda: _kept(self._of(item_id)))

    async def sidecars(self, item_id: str) -> list[Sidecar]:
        """Those of all versions, also where the raw mail is no longer kept. Raises NotFoundError."""
        return await self._off_loop(lambda: _ordered(self._of(item_id)))

    async def put_reading(self, item_id: str, reading: dict[str, Any], attachments: Sequence[bytes]) -> None:
        """What was cut out of the mail: *reading* is JSON-able, *attachments* are numbered from 1.

        All of it can be cut out again, so a reading alone does not wait for the disk: after a power cut `unread` knows
        whose is missing. Attachments, of which nobody could see that they were cut off, survive one.
        """
        folder = self._of(item_id)
        files = [(folder / f"attachment-{n}", content) for n, content in enumerate(attachments, 1)]
        await self._write_soon([*files, (folder / "reading.json", dumps(reading).encode() + _WHOLE)])

    async def unread(self, shard: Path, *, older_than: float = 0.0) -> list[str]:
        """Ids of the mails in one folder of `shards` that have no whole reading; as `stored` else."""
        return await self._off_loop(lambda: list(_unread(shard, time.time() - older_than)))

    async def get_reading(self, item_id: str) -> dict[str, Any]:
        """Raises NotFoundError when the mail was not read yet, its reading was lost, or it never came by mail."""
        return await self._off_loop(_read_json, self._of(item_id) / "reading.json")

    async def raw(self, item_id: str) -> Path:
        """The file of the raw mail, of several versions the one that came first. Raises as `get` does."""
        return await self._off_loop(self._raw, item_id)

    async def attachment(self, item_id: str, n: int) -> Path:
        """The file of an attachment. Raises NotFoundError."""
        return await self._off_loop(_existing, self._of(item_id) / f"attachment-{n:d}")

    async def discard(self, sidecar: Sidecar) -> None:
        """Take back one version of a mail; nothing happens when it is not there."""
        await self._off_loop(self._discard, sidecar)

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
        return await self._off_loop(lambda: list(_sidecars(shard, time.time() - older_than)))

    async def _off_loop(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *work* in a thread, shielded: a cancelled caller must not leave a file half in its place."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._threads, partial(self._guarded, work, *args, **kwargs)))

    def _guarded(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._marker is not None and not self._marker.exists():
            raise StoreUnavailableError(f"the mail store's disk is not mounted: {self._marker} is missing")
        return _guarded(work, *args, **kwargs)

    def _of(self, item_id: str) -> Path:
        if not _ITEM_ID.fullmatch(item_id):
            raise NotFoundError("no such item")
        return self.folder / item_id[3:5] / item_id

    @_writing()
    def _put_all(self, mails: Sequence[tuple[Sidecar, bytes]]) -> None:
        files: list[File] = []
        there: dict[Path, None] = {}
        for sidecar, raw in mails:
            folder = self._of(sidecar.id)
            if (folder / f"{sidecar.raw}.json").exists():
                there[folder] = None
            else:
                files += [(folder / f"{sidecar.raw}.eml", raw), (folder / f"{sidecar.raw}.json", sidecar.encode())]
        durable.sync(there)  # whoever put these may have been cut off before this, or may not be there yet
        if files:
            durable.write(self.folder, files)

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
        folder = self._of(sidecar.id)
        if not (folder / f"{sidecar.raw}.json").exists():
            durable.make(folder)
            _link(path, folder / f"{sidecar.raw}.eml")
            durable.write(self.folder, [(folder / f"{sidecar.raw}.json", sidecar.encode())])
        durable.sync([folder])

    def _get(self, item_id: str) -> list[Stored]:
        folder = self._of(item_id)
        return [Stored(sidecar, (folder / f"{sidecar.raw}.eml").read_bytes()) for sidecar in _kept(folder)]

    def _raw(self, item_id: str) -> Path:
        folder = self._of(item_id)
        return folder / f"{_kept(folder)[0].raw}.eml"

    def _discard(self, sidecar: Sidecar) -> None:
        folder = self._of(sidecar.id)
        for name in (f"{sidecar.raw}.json", f"{sidecar.raw}.eml"):  # the sidecar first: alone it would lie
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # where other versions are, the folder stays
            folder.rmdir()

    def _remove(self, item_id: str) -> None:
        folder = self._of(item_id)
        if folder.exists():
            shutil.rmtree(folder, onerror=_unless_gone)
            durable.sync([folder.parent])

    @_writing()
    def _check(self) -> None:
        durable.make(self.folder)
        probe = self.folder / f"check-{secrets.token_hex(6)}{TEMPORARY}"
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


def _link(path: Path, place: Path) -> None:
    temporary = durable.temporary_name(place)
    try:
        os.link(path, temporary)
        temporary.rename(place)
    finally:
        temporary.unlink(missing_ok=True)  # a rename between two names of one file leaves both (rename(2))


def _ordered(folder: Path) -> list[Sidecar]:
    """The sidecars of a mail's versions, the one that came first in front."""
    sidecars = [Sidecar.decode(path.read_bytes()) for path in folder.iterdir() if _is_sidecar(path)]
    if not sidecars:
        raise FileNotFoundError
    return sorted(sidecars, key=lambda sidecar: (sidecar.arrived, sidecar.uid or 0, sidecar.raw))


def _kept(folder: Path) -> list[Sidecar]:
    """Those of `_ordered` whose raw mail was not removed for its age."""
    kept = [sidecar for sidecar in _ordered(folder) if (folder / f"{sidecar.raw}.eml").exists()]
    if not kept:
        raise NoLongerKeptError("the raw mail is no longer kept; what was read from it stays")
    return kept


def _unless_gone(_work: object, _path: str, error: tuple[type[BaseException], BaseException, TracebackType]) -> None:
    """Two processes may take one folder away at once."""
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:  # cut off by a power cut; the repair has it read again
        raise FileNotFoundError from error
    return found


def _is_read(path: Path) -> bool:
    """Whether there is a whole reading: only its end tells; one of an older program has none."""
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            if file.read() != _WHOLE:
                _read_json(path)
    except OSError:
        return False
    return True


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError
    return path


def _is_sidecar(path: Path) -> bool:
    return path.suffix == ".json" and path.name != "reading.json"


def _sidecars(shard: Path, before: float) -> Iterator[Sidecar]:
    """Sidecars written by *before* (seconds since 1970). One that cannot be understood must not hide the others.

    On the way, what processes left that were killed while they wrote is taken away.
    """
    for folder in sorted(shard.iterdir()):
        for path in _names(folder):
            try:
                if path.suffix == TEMPORARY and path.stat().st_mtime < time.time() - _LEFT_BEHIND:
                    path.unlink()
                if _is_sidecar(path) and path.stat().st_mtime <= before:
                    yield Sidecar.decode(path.read_bytes())
            except FileNotFoundError:  # removed in between
                continue
            except DecodeError:
                log.warning("a sidecar cannot be understood", item=folder.name, file=path.name)


def _unread(shard: Path, before: float) -> Iterator[str]:
    """Ids of mails stored by *before* (seconds since 1970) that have no whole reading."""
    for folder in sorted(shard.iterdir()):
        raws = [path for path in _names(folder) if path.suffix == ".eml"]
        with suppress(FileNotFoundError):  # removed in between
            if raws and min(path.stat().st_mtime for path in raws) <= before and not _is_read(folder / "reading.json"):
                yield folder.name


def _names(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []

"""The little that must survive a total loss of Redis, as files beside the mail:

<data>/mail/.tubepost/store         id of this mail store; Redis has it too, so neither works with a stranger
                      references    numbers up to this one may have been given in references
                      gone          tombstones of removed items, a line of JSON each
                      start-<…>     where the reading of a folder of a mailbox began
                      lock          held while `references` is written
"""

import asyncio
import errno
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import date
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from workitems import durable, keys
from workitems.errors import StoreUnavailableError
from workitems.event import dumps
from workitems.item import Json
from workitems.mailbox import Checkpoint
from workitems.mailstore import MailStore
from workitems.redis import Client, Script, available
from workitems.removal import Removal

_reserve = Script("feed.lua", "reserve.lua")

#: References that are reserved at once; after a total loss at most so many numbers are passed over.
BLOCK = 1000

#: Tombstones that are handed on at once.
_BATCH = 500

P = ParamSpec("P")
R = TypeVar("R")


class Keepsake:
    """What is kept for one Redis and one mail store. Every method raises StoreUnavailableError."""

    def __init__(self, redis: Client, mailstore: MailStore, *, history: int) -> None:
        """*history*: events that the feed keeps."""
        self._redis = redis
        self._mailstore = mailstore
        self._folder = mailstore.folder / ".tubepost"
        self._settling = asyncio.Lock()
        self._reserving = asyncio.Lock()
        self._settled = False
        #: Removes items so that they stay removed.
        self.removal = Removal(redis, mailstore, history=history, bury=self.bury)

    async def settle(self) -> str:
        """Make sure that Redis and mail store belong to each other; answers the store's id.

        A Redis that knows no store is new or came back empty: it is told of every removal before the two are joined.
        A store that is missing, or another one than Redis knows, is not written to.
        """
        marker = self._folder / "store"
        async with self._settling:
            known, here = await self.compare()
            here = here or await self._off_loop(_first, marker)
            if not known:
                await self.restore()
                with available():
                    await self._redis.set(keys.STORE, here)
            self._mailstore.expect(marker)
            self._settled = True
        return here

    async def compare(self) -> tuple[str, str]:
        """The store's id as Redis knows it and as it stands here, '' where there is none. Changes nothing.

        Raises StoreUnavailableError when Redis knows another store than the one that is here.
        """
        marker = self._folder / "store"
        with available():
            known = (await self._redis.get(keys.STORE) or b"").decode()
        here = await self._off_loop(_read, marker)
        if known and here != known:
            raise StoreUnavailableError(_strange(self._mailstore.folder, marker, known))
        return known, here

    async def reserve(self, number: int) -> None:
        """Returns when *number* may stand in a reference: it will not be given again, whatever happens to Redis."""
        await self._ready()
        async with self._reserving:
            with available():
                most = int(await self._redis.get(keys.REFERENCE_MOST) or 0)
            if number > most:  # else it was reserved for a mail that is published beside this one
                before, bound = await self._off_loop(_raise, self._folder, number)
                await _reserve(self._redis, keys.FEED, [before, bound])

    async def bury(self, tombstones: Sequence[Json]) -> None:
        """Keep *tombstones*, each with the `id` of its item."""
        await self._ready()
        lines = "".join(f"\n{dumps(tombstone)}\n" for tombstone in tombstones)  # a line that was cut off ends here
        await self._off_loop(_append, self._folder / "gone", lines.encode())

    async def first_sight(self, mailbox: str, folder: str, fresh: Checkpoint) -> Checkpoint:
        """Where the reading of a folder began when it was first seen; *fresh*, kept from now on, when that is now.

        For a folder that Redis does not know: what came since must not be passed. The numbering may be another one.
        """
        await self._ready()
        name = hashlib.sha256(dumps([mailbox, folder]).encode()).hexdigest()[:24]
        path = self._folder / f"start-{name}"
        kept = _checkpoint(await self._off_loop(_read, path))
        if kept is None:
            record = asdict(fresh) | {"since": fresh.since and fresh.since.isoformat()}
            await self._off_loop(_write, path, dumps(record | {"mailbox": mailbox, "folder": folder}))
        return kept or fresh

    async def restore(self) -> None:
        """Remove again what Redis does not know to be removed: it may have come back with less."""
        with suppress(FileNotFoundError), (self._folder / "gone").open("rb") as file:
            while lines := await self._off_loop(lambda: list(islice(file, _BATCH))):
                found = [tombstone for tombstone in map(_tombstone, lines) if tombstone]
                if found:
                    await self.removal.again(found)

    async def _ready(self) -> None:
        if not self._settled:
            await self.settle()

    async def _off_loop(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        except OSError as error:
            raise StoreUnavailableError(f"the mail store cannot serve: {error.strerror}") from error


def _strange(folder: Path, marker: Path, known: str) -> str:
    return (
        f"{folder} is not the mail store that Redis knows: mount its disk. Should that be lost for good, "
        f"write {known} into {marker} to go on with what is there"
    )


def _read(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8").strip()
    return ""


def _first(marker: Path) -> str:
    """The id of a store that has none yet; of two processes that give it one, the first counts."""
    marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable.sync([marker.parent.parent])
    with _locked(marker.parent):
        if not (here := _read(marker)):
            _write(marker, here := secrets.token_hex(16))
    return here


def _raise(folder: Path, number: int) -> tuple[int, int]:
    """The mark of references before, and after it was raised to have room for *number*."""
    with _locked(folder):
        before = int(_read(folder / "references") or 0)
        bound = max(before, number) + BLOCK
        _write(folder / "references", str(bound))
    return before, bound


def _append(path: Path, lines: bytes) -> None:
    """One write, so that those of several processes do not run into each other (open(2), O_APPEND)."""
    fresh = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if os.write(descriptor, lines) < len(lines):  # the disk is full within them
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if fresh:
        durable.sync([path.parent])


def _write(path: Path, text: str) -> None:
    durable.write(path.parent, [(path, text.encode())])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the lock ends with the process."""
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tombstone(line: bytes) -> Json | None:
    """None for a line that was cut off by a crash, and for the empty ones between."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("id"), str) else None


def _checkpoint(text: str) -> Checkpoint | None:
    try:
        found = json.loads(text)
        since = date.fromisoformat(found["since"]) if found["since"] else None
        return Checkpoint(int(found["uidvalidity"]), int(found["uid"]), since, int(found["below"]))
    except (ValueError, TypeError, KeyError):
        return None

"""The few facts that must survive a total loss of Redis, as files beside the mail:

<data>/mail/.tubepost/store         id of this mail store; Redis has it too, so that neither works with another one
                      references    numbers up to this one may have been given in references
                      gone          tombstones of removed items, one line of JSON each
                      start-<…>     where the reading of a folder of a mailbox began
                      users, keys   who may sign in, and the keys of programs (workitems/people/durable_records.py)
                      lock          held while `references`, `users` or `keys` is written
"""

import asyncio
import errno
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import date
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher

from workitems.base import keys
from workitems.base.errors import MailStoreUnavailableError
from workitems.base.json_codec import encode_json_str
from workitems.base.redis import RedisClient, Script, translating_errors
from workitems.mailboxes.checkpoint import Checkpoint
from workitems.mailstore import durable_files
from workitems.mailstore.disk_check import read_marker
from workitems.mailstore.ownership import open_shared
from workitems.mailstore.store import MailStore
from workitems.people.accounts import Accounts
from workitems.people.durable_records import DurableRecords
from workitems.queue.item import Json
from workitems.recovery.restore_mark import check_no_restore, restore_incomplete
from workitems.recovery.store_id import read_store_id
from workitems.retention.removal import Removal

_reserve = Script("feed/feed.lua", "recovery/reserve.lua")
_set_store = Script("feed/feed.lua", "recovery/set_store.lua")

#: References that are reserved at once; after a total loss at most so many numbers are skipped.
REFERENCE_BLOCK = 1000

#: Tombstones that are reapplied at once.
_BATCH = 500

P = ParamSpec("P")
R = TypeVar("R")


class DurableState:
    """The durable state of one Redis and one mail store. Every method raises StoreUnavailableError."""

    def __init__(self, redis: RedisClient, mailstore: MailStore, *, max_events: int) -> None:
        """*max_events*: events that the feed keeps."""
        self._redis = redis
        self._mailstore = mailstore
        self._folder = mailstore.folder / ".tubepost"
        self._marker = self._folder / "store"
        self._reconciling = asyncio.Lock()
        self._reserving = asyncio.Lock()
        self._is_reconciled = False
        #: Removes items so that they stay removed.
        self.removal = Removal(redis, mailstore, max_events=max_events, record_tombstones=self.record_tombstones)
        mailstore.identify = self.identify

    async def reconcile(self) -> str:
        """Make sure that Redis and the mail store belong to each other; return the store's id.

        A Redis that knows no store is new or came back empty: all removals are reapplied to it before it gets the id,
        and a new generation with it.
        A store that is missing, or is not the one that Redis knows, is not written to.
        """
        async with self._reconciling:
            known, here = await self.compare_store_ids()
            here = here or await self._run_in_thread(_ensure_store_id, self._marker)
            if not known:
                await self.reapply_removals()
            if not known or not await self.read_generation():
                outcome = await _set_store(self._redis, keys.FEED, [here, secrets.token_hex(16)])
                if outcome == b"restoring":  # it has begun meanwhile
                    raise restore_incomplete()
            self._mailstore.marker.require(self._marker, here)
            self._is_reconciled = True
        return here

    async def identify(self) -> None:
        """Make sure that the mail store is the one that Redis knows, if Redis knows one. Changes nothing."""
        known, _ = await self.compare_store_ids()
        if known:
            self._mailstore.marker.require(self._marker, known)

    async def compare_store_ids(self) -> tuple[str, str]:
        """Return the store's id in Redis and in the mail store, '' where there is none. Changes nothing.

        Raises MailStoreUnavailableError when Redis knows another store than the one that is here, or has something else
        instead of an id, and while a restore is not complete.
        """
        await check_no_restore(self._redis)
        known = await read_store_id(self._redis)
        here = await self._run_in_thread(read_marker, self._marker)
        if known and here != known:
            reason = "another mail store is mounted" if here else "its disk is not mounted"
            raise MailStoreUnavailableError(_other_store_message(self._mailstore.folder, self._marker, known), reason)
        return known, here

    async def read_generation(self) -> str:
        """Return the generation of the data in Redis: another one than before says that Redis lost it. '': none yet."""
        with translating_errors():
            return bytes(await self._redis.get(keys.GENERATION) or b"").decode("utf-8", "replace")

    async def reserve_references(self, number: int) -> None:
        """Return when *number* may be used in a reference: it will not be given again, whatever happens to Redis."""
        await self._ready()
        async with self._reserving:
            with translating_errors():
                reserved = int(await self._redis.get(keys.REFERENCE_BOUND) or 0)
            if number > reserved:  # else another publish has reserved it meanwhile
                before, bound = await self._run_in_thread(_raise_bound, self._folder, number)
                await _reserve(self._redis, keys.FEED, [before, bound])

    async def record_tombstones(self, tombstones: Sequence[Json]) -> None:
        """Store *tombstones*, each with the `id` of its item."""
        await self._ready()
        lines = "".join(
            f"\n{encode_json_str(tombstone)}\n" for tombstone in tombstones
        )  # the line end in front ends a truncated line
        await self._run_in_thread(_append, self._folder / "gone", lines.encode())

    async def record_start(self, mailbox: str, folder: str, fresh: Checkpoint) -> Checkpoint:
        """Return where reading of a folder began when it was first seen; store and return *fresh* when that is now.

        For a folder that Redis does not know: mail that came since must not be skipped. The UIDVALIDITY may differ.
        """
        await self._ready()
        name = hashlib.sha256(encode_json_str([mailbox, folder]).encode()).hexdigest()[:24]
        path = self._folder / f"start-{name}"
        stored = _checkpoint(await self._run_in_thread(_read, path))
        if stored is None:
            record = asdict(fresh) | {"since": fresh.since and fresh.since.isoformat()}
            await self._run_in_thread(_write, path, encode_json_str(record | {"mailbox": mailbox, "folder": folder}))
        return stored or fresh

    def open_records(self, name: str, key: str, *, clock: Callable[[], float] = time.monotonic) -> DurableRecords:
        """Return the records that are in the file *name* of this folder and in the hash *key* of Redis."""
        path, threads = self._folder / name, self._mailstore.threads
        return DurableRecords(self._redis, key, path, threads=threads, check_store=self.compare_store_ids, clock=clock)

    def open_accounts(
        self, *, hasher: PasswordHasher | None = None, clock: Callable[[], float] = time.monotonic
    ) -> Accounts:
        """Return the users and keys, which are kept here too; the caller closes them."""
        users = self.open_records("users", keys.USERS, clock=clock)
        api_keys = self.open_records("keys", keys.API_KEYS, clock=clock)
        return Accounts(self._redis, users, api_keys, hasher=hasher, clock=clock)

    async def reapply_removals(self) -> None:
        """Remove again the items whose removal Redis does not know: it may have come back with less data."""
        with suppress(FileNotFoundError), (self._folder / "gone").open("rb") as file:
            while lines := await self._run_in_thread(lambda: list(islice(file, _BATCH))):
                found = [tombstone for tombstone in map(_tombstone, lines) if tombstone]
                if found:
                    await self.removal.reapply(found)
                    await self.removal.require_rewrite()

    async def _ready(self) -> None:
        if not self._is_reconciled:
            await self.reconcile()

    async def _run_in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._mailstore.run_unchecked(work, *args, **kwargs)


def _other_store_message(folder: Path, marker: Path, known: str) -> str:
    return (
        f"{folder} is not the mail store that Redis knows: mount its disk. Should that be lost for good, "
        f"write {known} into {marker} to continue with what is there"
    )


def _read(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8").strip()
    return ""


def _ensure_store_id(marker: Path) -> str:
    """Return the id of the store, and give it one if it has none; of two processes that do so, the first wins."""
    durable_files.make_folder(marker.parent)
    durable_files.sync_folders([marker.parent.parent])
    with durable_files.locked(marker.parent):
        if not (here := _read(marker)):
            _write(marker, here := secrets.token_hex(16))
    return here


def _raise_bound(folder: Path, number: int) -> tuple[int, int]:
    """Raise the bound of references above *number*; return the bound before and after."""
    with durable_files.locked(folder):
        before = int(_read(folder / "references") or 0)
        bound = max(before, number) + REFERENCE_BLOCK
        _write(folder / "references", str(bound))
    return before, bound


def _append(path: Path, lines: bytes) -> None:
    """Append by one write, so that lines of several processes do not mix (open(2), O_APPEND)."""
    fresh = not path.exists()
    descriptor = open_shared(path, os.O_WRONLY | os.O_APPEND)
    try:
        if os.write(descriptor, lines) < len(lines):  # the disk became full in between
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if fresh:
        durable_files.sync_folders([path.parent])


def _write(path: Path, text: str) -> None:
    durable_files.write_files(path.parent, [(path, text.encode())])


def _tombstone(line: bytes) -> Json | None:
    """Return the tombstone of a line; None for one that a crash truncated, and for empty lines."""
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

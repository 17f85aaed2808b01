"""The one corridor by which mail comes in: stored first, then put to wait for a reader, each mail once.

Both doors (the poller and the intake endpoint) call `Intake.put`; readers take with `take`, `abandoned` and `count`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from redis.exceptions import ResponseError

from workitems import failpoint, identity, keys
from workitems.errors import (
    DecodeError,
    IntakeFullError,
    LeaseLostError,
    NotFoundError,
    StoreUnavailableError,
    TubepostError,
)
from workitems.event import dumps
from workitems.mailstore import MailStore
from workitems.quarantine import retry
from workitems.redis import Argument, Client, Script, available
from workitems.sidecar import Sidecar

_put = Script("feed.lua", "put.lua")
_hold = Script("feed.lua", "hold.lua")
_count = Script("feed.lua", "count.lua")

#: Stored mails that are compared with Redis in one round trip.
_COMPARED = 200

#: Outcomes after which no item will ever read the mail from this place.
_UNREAD = ("crowded", "gone", "late")

#: Bytes of mail that are hashed on the event loop at once; 50 MB take a tenth of a second.
_SMALL = 256 * 1024

#: What becomes of a mail that is not put, nor any behind it.
_REFUSED = ("store", "full", "lease")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a mail comes from. `folder`, `uidvalidity` and `uid` for mailboxes; `token` is the lease's, '' without one.

    `own`: the team sent it itself. `moves`: whether the folder's checkpoint moves with it.
    """

    mailbox: str
    arrived: datetime
    source: str
    size: int
    oversized: bool = False
    uidvalidity: int | None = None
    uid: int | None = None
    folder: str = "INBOX"
    own: bool = False
    moves: bool = True
    token: str = ""
    sender: str | None = None
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a put: new, duplicate, variant (other bytes of a known mail), gone (it was removed) or late (other
    bytes of a mail whose raw mail is no longer kept).
    """

    id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that waits to be read."""

    entry: str
    id: str
    mailbox: str
    #: Bytes of the mail, as far as is known.
    size: int = 0


class Intake:
    """The intake of one Redis and one mail store."""

    def __init__(
        self,
        redis: Client,
        store: MailStore,
        *,
        most: int,
        after: Mapping[str, str] | None = None,
        settle: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        """*most* mails may wait. *after*: mailbox → when its mail is dealt with there, `published` or `done`.

        *settle* joins Redis and mail store and answers the store's id (`Keepsake.settle`).
        """
        self._redis = redis
        self._store = store
        self._most = most
        self._after = dict(after or {})
        self._join = settle
        self._joined = ""

    async def put(self, raw: bytes, origin: Origin) -> Receipt:
        """Store the raw mail, then record that it waits together with the mailbox's checkpoint.

        When this returns the mail survives a power cut. Doing it again with the same mail does nothing more. Raises
        IntakeFullError, LeaseLostError, or StoreUnavailableError when the disk or Redis cannot serve.
        """
        return (await self.put_all([(raw, origin)]))[0]

    async def put_all(self, mails: Sequence[tuple[bytes, Origin]]) -> list[Receipt]:
        """As `put` for each of *mails* in their order; the disk works on all of them at once.

        When it raises, some may have been put, none behind one that was not; doing it again puts the rest.
        """
        await self.settle()
        sidecars = await self._stored(identity.item_id, mails)
        receipts: list[Receipt] = []
        while left := list(zip(sidecars, mails, strict=True))[len(receipts) :]:
            outcomes = await self._record([(sidecar, origin) for sidecar, (_, origin) in left])
            for (sidecar, mail), outcome in zip(left, outcomes, strict=False):
                receipts.append(await self._settled(sidecar, mail, outcome))
        return receipts

    async def settle(self) -> None:
        """Before the first put: make sure that the mail store is the one that Redis knows. StoreUnavailableError."""
        if self._join is not None and not self._joined:
            self._joined = await self._join()

    async def _stored(
        self, identify: Callable[[str, bytes], str], mails: Sequence[tuple[bytes, Origin]]
    ) -> list[Sidecar]:
        def sidecars() -> list[Sidecar]:
            return [_sidecar(identify(origin.mailbox, raw), identity.fingerprint(raw), origin) for raw, origin in mails]

        small = sum(len(raw) for raw, _ in mails) <= _SMALL
        found = sidecars() if small else await asyncio.to_thread(sidecars)
        await self._store.put_all([(sidecar, raw) for sidecar, (raw, _) in zip(found, mails, strict=True)])
        for _ in mails:
            failpoint.reach("stored")
        return found

    async def _settled(self, sidecar: Sidecar, mail: tuple[bytes, Origin], outcome: str) -> Receipt:
        """The receipt of a mail that was stored and recorded with *outcome*."""
        if outcome in _UNREAD:
            await self._store.discard(sidecar)
        if outcome == "crowded":
            (sidecar,) = await self._stored(identity.whole_id, [mail])
            (outcome,) = await self._record([(sidecar, mail[1])])
        failpoint.reach("put")
        return Receipt(sidecar.id, outcome)

    async def _record(self, mails: Sequence[tuple[Sidecar, Origin | None]]) -> list[str]:
        """What became of each; it ends with the first that is crowded. Without an origin no checkpoint moves."""
        arguments: list[Argument] = [self._most, self._joined]
        for sidecar, origin in mails:
            arguments += self._arguments(sidecar, origin)
        outcomes = [outcome.decode() for outcome in await _put(self._redis, keys.FEED, arguments)]
        if outcomes[-1] in _REFUSED:
            outcomes, refused = outcomes[:-1], outcomes[-1]
            if not outcomes:
                raise self._refusal(refused, mails[0][0].mailbox)
        return outcomes

    def _refusal(self, outcome: str, mailbox: str) -> TubepostError:
        if outcome == "full":
            return IntakeFullError(f"{self._most} mails wait to be read already")
        if outcome == "lease":
            return LeaseLostError(f"another worker holds the mailbox {mailbox}")
        self._joined = ""
        return StoreUnavailableError("Redis came back without what it knew, and is told again")

    def _arguments(self, sidecar: Sidecar, origin: Origin | None) -> list[Argument]:
        lies = sidecar.uidvalidity is not None and sidecar.uid is not None
        moves = lies and origin is not None and origin.moves
        return [
            sidecar.id, sidecar.mailbox, sidecar.raw, sidecar.size,
            *((sidecar.uidvalidity or "", sidecar.uid or "") if moves else ("", "")), origin.token if origin else "",
            sidecar.folder, dumps([sidecar.folder, sidecar.uidvalidity, sidecar.uid]) if lies else "",
            self._after.get(sidecar.mailbox, ""),
        ]  # fmt: skip

    async def waiting(self) -> int:
        """How many mails wait, those that are being read included."""
        with available():
            return int(await self._redis.xlen(keys.INTAKE))

    async def open(self) -> None:
        """Make the readers' group; from the very first entry, since mail may have come before any reader."""
        with available():
            try:
                await self._redis.xgroup_create(keys.INTAKE, keys.READERS, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def take(self, blocking: Client, consumer: str, *, count: int, seconds: float) -> list[Waiting]:
        """Mail that nobody took yet, waiting up to *seconds* for some. Raises StoreUnavailableError."""
        return await self._group(blocking, consumer, ">", count, block=max(1, int(seconds * 1000)))

    async def unfinished(self, consumer: str, *, after: str = "0", count: int = 100) -> list[Waiting]:
        """Mail that this consumer took and has not finished, from the entry after *after* on, oldest first."""
        return await self._group(self._redis, consumer, after, count)

    async def _group(
        self, redis: Client, consumer: str, start: str, count: int, block: int | None = None
    ) -> list[Waiting]:
        with available():
            try:
                found = await redis.xreadgroup(keys.READERS, consumer, {keys.INTAKE: start}, count=count, block=block)
            except ResponseError as error:
                if "NOGROUP" not in str(error):  # Redis came back without it: restored, flushed or failed over
                    raise
                await self.open()
                return []
        return [_waiting(entry, fields) for _, entries in found or [] for entry, fields in entries if fields]

    async def abandoned(self, consumer: str, *, idle: float, count: int = 20) -> list[Waiting]:
        """Take over mail that another consumer left for *idle* seconds."""
        with available():
            try:
                answer = await self._redis.xautoclaim(
                    keys.INTAKE, keys.READERS, consumer, min_idle_time=int(idle * 1000), start_id="0-0", count=count
                )
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                return []
        return [_waiting(entry, fields) for entry, fields in answer[1] if fields]

    async def holds(self, consumer: str, entry: str) -> bool:
        """Whether *entry* still waits for this consumer: another may have taken it over, or finished it."""
        with available():
            try:
                found = await self._redis.xpending_range(
                    keys.INTAKE, keys.READERS, min=entry, max=entry, count=1, consumername=consumer
                )
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                return False
        return bool(found)

    async def hold(self, consumer: str, entries: Sequence[str]) -> None:
        """Say that *entries* are being worked on, so that nobody takes them for abandoned; of those still ours."""
        if not entries:
            return
        try:
            await _hold(self._redis, keys.FEED, [consumer, *entries])
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise

    async def tries(self, item_id: str) -> int:
        """How many tries to read a mail were counted."""
        with available():
            return int(await self._redis.hget(keys.attempts(item_id), "n") or 0)

    async def count(self, waiting: Waiting, tries: int) -> None:
        """Say how many tries it has had, before the next is made: one that ends this process must have been counted.

        Set and not added to: where an answer was lost the step is done again, and that is no further try. Nothing is
        said of a mail that another has finished.
        """
        await _count(self._redis, keys.FEED, [waiting.id, waiting.entry, tries])

    async def repair(self, *, older_than: float = 0.0) -> AsyncIterator[int]:
        """Put stored mail again that neither waits, nor was read, nor was removed; yields how many, folder by folder.

        Files of what was removed are taken away, and mail whose reading a power cut took is read again.
        After a crash between store and put (then only mail stored *older_than* seconds ago, since a put may be under
        way), or when Redis came back with less than it had.
        """
        for shard in await self._store.shards():
            sidecars = await self._store.stored(shard, older_than=older_than)
            lost = [sidecar for start in range(0, len(sidecars), _COMPARED)
                    for sidecar in await self._unknown(sidecars[start : start + _COMPARED])]  # fmt: skip
            left, count = lost, 0
            while left:  # the checkpoint stays: another mail may have moved it past these
                outcomes = await self._record([(sidecar, None) for sidecar in left[:_COMPARED]])
                for sidecar, outcome in zip(left, outcomes, strict=False):
                    if outcome == "gone":
                        await self._store.remove(sidecar.id)
                    count += outcome != "gone"
                left = left[len(outcomes) :]
            yield count + await self._read_again(await self._store.unread(shard, older_than=older_than))

    async def _read_again(self, item_ids: Sequence[str]) -> int:
        """Have the mail of those items read again whose reading a power cut took; how many those were."""
        count = 0
        for item_id in item_ids:
            with suppress(NotFoundError, DecodeError):  # without an item it waits already, or is broken
                count += await retry(self._redis, self._store, item_id, most=self._most)
        return count

    async def _unknown(self, sidecars: list[Sidecar]) -> list[Sidecar]:
        with available():
            async with self._redis.pipeline(transaction=False) as pipe:
                for sidecar in sidecars:
                    pipe.hget(keys.item(sidecar.id), "raws")
                    pipe.hget(keys.attempts(sidecar.id), "raws")
                known: list[Any] = await pipe.execute()
        return [
            sidecar for sidecar, *raws in zip(sidecars, known[::2], known[1::2], strict=True)
            if not any(sidecar.raw.encode() in (known or b"").split(b",") for known in raws)
        ]  # fmt: skip

    async def put_file(self, path: Path, origin: Origin, *, head: bytes, fingerprint: str) -> Receipt:
        """As `put` for a mail that lies whole and synced in a file on the mail store's disk.

        *head* and *fingerprint* are what `Draft.seal` says of it. The file stays its owner's, who may remove it after.
        """
        await self.settle()
        item_id = identity.head_id(origin.mailbox, head) or await self._whole_id(path, origin)
        sidecar = await self._adopted(item_id, fingerprint, path, origin)
        (outcome,) = await self._record([(sidecar, origin)])
        if outcome in _UNREAD:
            await self._store.discard(sidecar)
        if outcome == "crowded":
            item_id = await self._whole_id(path, origin)
            sidecar = await self._adopted(item_id, fingerprint, path, origin)
            (outcome,) = await self._record([(sidecar, origin)])
        failpoint.reach("put")
        return Receipt(sidecar.id, outcome)

    async def _whole_id(self, path: Path, origin: Origin) -> str:
        return await asyncio.to_thread(identity.file_id, origin.mailbox, path)

    async def _adopted(self, item_id: str, fingerprint: str, path: Path, origin: Origin) -> Sidecar:
        sidecar = _sidecar(item_id, fingerprint, origin)
        await self._store.adopt(sidecar, path)
        failpoint.reach("stored")
        return sidecar

    async def withdraw(self, item_id: str, fingerprint: str, origin: Origin) -> None:
        """Take back a mail whose put was refused, unless Redis knows of it; else a repair would put it later.

        Only for a mail that nobody else can put: of one that may come again, both would share the file.
        """
        sidecar = _sidecar(item_id, fingerprint, origin)
        if await self._unknown([sidecar]):
            await self._store.discard(sidecar)


def _sidecar(item_id: str, fingerprint: str, origin: Origin) -> Sidecar:
    return Sidecar(
        id=item_id,
        mailbox=origin.mailbox,
        raw=fingerprint,
        arrived=origin.arrived.isoformat(timespec="seconds").replace("+00:00", "Z"),
        source=origin.source,
        size=origin.size,
        oversized=origin.oversized,
        uidvalidity=origin.uidvalidity,
        uid=origin.uid,
        folder=origin.folder,
        own=origin.own,
        sender=origin.sender,
        recipients=origin.recipients[:50],
    )


def _waiting(entry: bytes, fields: dict[bytes, bytes]) -> Waiting:
    return Waiting(
        entry.decode(), fields[b"id"].decode(), fields[b"mailbox"].decode(), int(fields.get(b"size", b"0") or 0)
    )

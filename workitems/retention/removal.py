"""Removing items for good: one step in Redis, which erases their events too, then their files; a tombstone stays.

The step itself records what is still to be removed, so a crash at any point only delays the rest.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from time import time

from workitems.base import keys
from workitems.base.errors import ConflictError, NotFoundError
from workitems.base.json_codec import encode_json_str
from workitems.base.redis import RedisClient, Script, ScriptArgument, translating_errors
from workitems.mailstore.store import MailStore
from workitems.queue.item import Json

_remove = Script("feed/feed.lua", "queue/item.lua", "queue/conversation.lua", "retention/remove.lua")

#: Seconds after a removal in which a worker that was reading the mail may still write its reading.
GRACE = 120.0

#: Removals that are finished at once, and entries of the intake that one round trip reads.
_BATCH = 500

#: Characters of a reason.
LONGEST_REASON = 200


class Removal:
    """Removes items from one Redis and one mail store. Every method raises StoreUnavailableError."""

    def __init__(
        self,
        redis: RedisClient,
        mailstore: MailStore,
        *,
        max_events: int,
        record_tombstones: Callable[[Sequence[Json]], Awaitable[None]] | None = None,
    ) -> None:
        """*max_events*: events that the feed keeps. *record_tombstones* stores tombstones outside of Redis too."""
        self._redis = redis
        self._mailstore = mailstore
        self._max_events = max_events
        self._record_tombstones = record_tombstones

    async def remove(
        self, item_id: str, *, who: str, why: str, closed_by: float | None = None, version: int | None = None
    ) -> bool:
        """Remove the item from every list and publish that; False when there was nothing to remove. Then call `finish`.

        With *closed_by* (seconds since 1970) only when it was closed by then, and its submission is closed. With
        *version*, only if the item still has it; else ConflictError.
        """
        tombstone = {"at": _moment(time()), "who": who, "why": why[:LONGEST_REASON]}
        closed = "" if closed_by is None else int(closed_by * 1000)
        expected = "" if version is None else str(version)
        outcome = await self._step(item_id, tombstone, closed, "", expected)
        if outcome == b"changed":
            raise ConflictError(f"version {version} was expected, the item has another one")
        return outcome == b"removed"

    async def reapply(self, tombstones: Sequence[Json]) -> None:
        """Remove again the items whose tombstones Redis lost; *tombstones* as `record_tombstones` got them."""
        with translating_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for tombstone in tombstones:
                    pipe.exists(keys.gone(tombstone["id"]))
                known = await pipe.execute()
        for tombstone, there in zip(tombstones, known, strict=True):
            if not there:
                record = {name: value for name, value in tombstone.items() if name != "id"}
                await self._step(tombstone["id"], record, "", "1")

    async def require_rewrite(self) -> None:
        """Have the append-only file rewritten when Redis does not know whether that was done since a removal."""
        with translating_errors():
            if not await self._redis.exists(keys.RETENTION):
                await self._redis.hsetnx(keys.RETENTION, "removed", int(time() * 1000))

    async def _step(self, item_id: str, tombstone: Json, closed: int | str, always: str, expected: str = "") -> bytes:
        message_keys = await self._message_keys(item_id)
        values: list[ScriptArgument] = [item_id, encode_json_str(tombstone), self._max_events, closed, always, expected]
        outcome: bytes = (await _remove(self._redis, keys.FEED, [*values, *message_keys]))[0]
        return outcome

    async def finish(self, items: Collection[str]) -> None:
        """Remove what the step left of *items*: their files, and their entries that wait. Twice does no harm."""
        if not items:
            return
        await self._reapply_forgotten(items)
        await self._withdraw(items)
        await self.record_tombstones(items)
        for item_id in items:
            await self._mailstore.remove(item_id)

    async def record_tombstones(self, items: Collection[str]) -> None:
        """Store the tombstones of *items* outside of Redis too, so that a total loss of Redis brings no item back."""
        if self._record_tombstones is not None and items:
            await self._record_tombstones(await self._tombstones(items))

    async def finish_all(self, *, older_than: float = GRACE, now: float | None = None) -> int:
        """Finish the removals made *older_than* seconds ago, and return how many they were.

        Each is finished at least once after every worker that was reading its mail has given up.
        """
        last = int(((time() if now is None else now) - older_than) * 1000)
        with translating_errors():
            found = await self._redis.zrange(keys.REMOVING, "-inf", last, byscore=True, offset=0, num=_BATCH)
        items = [item_id.decode() for item_id in found]
        await self.finish(items)
        if items:
            with translating_errors():
                await self._redis.zrem(keys.REMOVING, *items)
        return len(items)

    async def _reapply_forgotten(self, items: Collection[str]) -> None:
        """Remove again what was removed before Redis came back with less data."""
        known = {tombstone["id"] for tombstone in await self._tombstones(items)}
        why = "Redis came back without its removal"
        forgotten: list[Json] = [
            {"id": item_id, "at": _moment(time()), "who": "tubepost", "why": why}
            for item_id in items if item_id not in known
        ]  # fmt: skip
        await self.reapply(forgotten)

    async def _message_keys(self, item_id: str) -> list[str]:
        """Return the keys of the Message-IDs of the item and of the mails that it answers."""
        try:
            reading = await self._mailstore.get_reading(item_id)
        except (NotFoundError, ValueError):
            return []
        names = [reading.get("message_key"), *(reading.get("reference_keys") or ())]
        return [key for key in names if isinstance(key, str) and key]

    async def _withdraw(self, items: Collection[str]) -> None:
        """Remove their entries from the intake; a worker that already has one finds the tombstone."""
        after = "-"
        while True:
            with translating_errors():
                entries = await self._redis.xrange(keys.INTAKE, min=after, count=_BATCH)
                found = [entry for entry, fields in entries if fields.get(b"id", b"").decode() in items]
                if found:
                    async with self._redis.pipeline(transaction=True) as pipe:
                        pipe.xack(keys.INTAKE, keys.READERS_GROUP, *found)
                        pipe.xdel(keys.INTAKE, *found)
                        await pipe.execute()
            if len(entries) < _BATCH:
                return
            after = f"({entries[-1][0].decode()}"

    async def _tombstones(self, items: Collection[str]) -> list[Json]:
        """Return the tombstones of *items* as Redis has them, each with its `id`."""
        with translating_errors():
            found = await self._redis.mget([keys.gone(item_id) for item_id in items])
        return [{"id": item_id} | json.loads(text) for item_id, text in zip(items, found, strict=True) if text]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

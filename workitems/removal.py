"""Removing items for good: one step in Redis, then the events and files that it left; a tombstone stays for ever.

The step itself remembers what is still to be taken away, so a crash at any point only delays the rest.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from time import time

from workitems import feed, keys
from workitems.errors import NotFoundError
from workitems.event import dumps
from workitems.item import Json
from workitems.mailstore import MailStore
from workitems.redis import Argument, Client, Script, available

_remove = Script("feed.lua", "remove.lua")

#: Seconds after a removal in which a reader that was at the mail may still write what it read.
GRACE = 120.0

#: Removals that are brought to their end at once, and entries of the intake that are looked at in one round trip.
_BATCH = 500

#: Characters of a reason.
LONGEST_REASON = 200


class Removal:
    """Removes items of one Redis and one mail store. Every method raises StoreUnavailableError."""

    def __init__(
        self,
        redis: Client,
        mailstore: MailStore,
        *,
        history: int,
        bury: Callable[[Sequence[Json]], Awaitable[None]] | None = None,
    ) -> None:
        """*history*: events that the feed keeps; *bury* keeps tombstones outside of Redis too (`Keepsake.bury`)."""
        self._redis = redis
        self._mailstore = mailstore
        self._history = history
        self._bury = bury

    async def remove(self, item_id: str, *, who: str, why: str, closed_by: float | None = None) -> bool:
        """Take the item out of every list and tell the feed; False when there was nothing to remove. Then `finish`.

        With *closed_by* (seconds since 1970) only when it was done or dismissed by then.
        """
        tombstone = {"at": _moment(time()), "who": who, "why": why[:LONGEST_REASON]}
        closed = "" if closed_by is None else int(closed_by * 1000)
        return await self._step(item_id, tombstone, closed, "") == b"removed"

    async def again(self, tombstones: Sequence[Json]) -> None:
        """Remove once more what Redis has forgotten to be removed; *tombstones* as `bury` was given them."""
        with available():
            async with self._redis.pipeline(transaction=False) as pipe:
                for tombstone in tombstones:
                    pipe.exists(keys.gone(tombstone["id"]))
                known = await pipe.execute()
        for tombstone, there in zip(tombstones, known, strict=True):
            if not there:
                left = {name: value for name, value in tombstone.items() if name != "id"}
                await self._step(tombstone["id"], left, "", "1")

    async def _step(self, item_id: str, tombstone: Json, closed: int | str, always: str) -> bytes:
        named = await self._message_keys(item_id)
        arguments: list[Argument] = [item_id, dumps(tombstone), self._history, closed, always, *named]
        outcome: bytes = (await _remove(self._redis, keys.FEED, arguments))[0]
        return outcome

    async def finish(self, items: Collection[str]) -> None:
        """Take away what the step left of *items*: their events, files, and entries that wait. Twice does no harm."""
        if not items:
            return
        await self._remind(items)
        await feed.erase(self._redis, items)
        await self._withdraw(items)
        await self.bury(items)
        for item_id in items:
            await self._mailstore.remove(item_id)

    async def bury(self, items: Collection[str]) -> None:
        """Keep the tombstones of *items* outside of Redis too: from now on a total loss of it brings none back."""
        if self._bury is not None and items:
            await self._bury(await self._tombstones(items))

    async def finish_all(self, *, older_than: float = GRACE, now: float | None = None) -> int:
        """Finish removals of *older_than* seconds ago and forget that they were under way; says how many they were.

        Each is finished at least once after every reader that was at its mail has given up.
        """
        last = int(((time() if now is None else now) - older_than) * 1000)
        with available():
            found = await self._redis.zrange(keys.REMOVING, "-inf", last, byscore=True, offset=0, num=_BATCH)
        items = [item_id.decode() for item_id in found]
        await self.finish(items)
        if items:
            with available():
                await self._redis.zrem(keys.REMOVING, *items)
        return len(items)

    async def _remind(self, items: Collection[str]) -> None:
        """Redis may have come back with less since the step: what it has forgotten to be removed, it is told again."""
        known = {tombstone["id"] for tombstone in await self._tombstones(items)}
        why = "Redis came back without its removal"
        forgotten: list[Json] = [
            {"id": item_id, "at": _moment(time()), "who": "tubepost", "why": why}
            for item_id in items if item_id not in known
        ]  # fmt: skip
        await self.again(forgotten)

    async def _message_keys(self, item_id: str) -> list[str]:
        """Under which Message-IDs the item and its thread are known."""
        try:
            reading = await self._mailstore.get_reading(item_id)
        except (NotFoundError, ValueError):
            return []
        named = [reading.get("message_key"), *(reading.get("reference_keys") or ())]
        return [key for key in named if isinstance(key, str) and key]

    async def _withdraw(self, items: Collection[str]) -> None:
        """Take their entries out of the intake; a reader that has one finds the tombstone."""
        after = "-"
        while True:
            with available():
                entries = await self._redis.xrange(keys.INTAKE, min=after, count=_BATCH)
                found = [entry for entry, fields in entries if fields.get(b"id", b"").decode() in items]
                if found:
                    async with self._redis.pipeline(transaction=True) as pipe:
                        pipe.xack(keys.INTAKE, keys.READERS, *found)
                        pipe.xdel(keys.INTAKE, *found)
                        await pipe.execute()
            if len(entries) < _BATCH:
                return
            after = f"({entries[-1][0].decode()}"

    async def _tombstones(self, items: Collection[str]) -> list[Json]:
        """The tombstones of *items* as they lie in Redis, each with its `id`."""
        with available():
            found = await self._redis.mget([keys.gone(item_id) for item_id in items])
        return [{"id": item_id} | json.loads(text) for item_id, text in zip(items, found, strict=True) if text]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

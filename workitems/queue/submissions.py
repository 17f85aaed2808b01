"""Submissions: conversations of several items. People split off an item that does not belong, and merge two that do."""

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress

from workitems.base import keys
from workitems.base.errors import ConflictError, InvalidChangeError, NotFoundError
from workitems.base.json_codec import encode_json
from workitems.base.redis import RedisClient, Script, translating_errors
from workitems.queue.item import Item, Json, encode_view_head
from workitems.queue.store import ItemStore

_move = Script("feed/feed.lua", "queue/item.lua", "queue/move.lua")

#: How often a step is repeated because the item changed in between.
_MAX_CONFLICTS = 20

#: Seconds of one merge, and how often it looks for mail that came meanwhile.
_MERGE_SECONDS, _MAX_ROUNDS = 30, 3

#: Items that Redis may have lost before one that names the mailbox.
_MAX_LOST = 20

#: Items of a submission that may be merged into another: each makes an event.
MAX_MERGED = 500


class Submissions:
    """The submissions of one Redis."""

    def __init__(
        self,
        redis: RedisClient,
        store: ItemStore,
        *,
        max_events: int,
        reserve: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        """*max_events* and *reserve* as `ItemStore` has them."""
        self._redis = redis
        self._store = store
        self._max_events = max_events
        self._reserve = reserve

    async def split(self, item_id: str, *, who: str, version: int | None = None) -> Item:
        """Give the item a submission of its own, in the name of *who*, and return it.

        With *version*, only if the item still has it; else ConflictError. Raises NotFoundError; InvalidChangeError when
        it is the only item of its submission.
        """
        await self._move_item(item_id, {"fresh": _fresh_id()}, who, version)
        return await self._store.get(item_id)

    async def merge(self, source: str, target: str, *, who: str) -> int:
        """Move all items of *source* into *target*, in the name of *who*, and return how many.

        Mail that names the old reference or answers its mail joins *target* from then on. A second call completes a
        merge that was interrupted. Raises NotFoundError (also when *source* was merged into another one),
        InvalidChangeError (over MAX_MERGED items, another mailbox), ConflictError (another merge runs, or it takes too
        long).
        """
        if source == target:
            raise InvalidChangeError("another submission is accepted", "into")
        with translating_errors():
            # Two merges into each other would exchange the items.
            is_free = await self._redis.set(keys.MERGING, source, nx=True, ex=2 * _MERGE_SECONDS)
        if not is_free:
            raise ConflictError("another merge runs; try again when it is done")
        try:
            async with asyncio.timeout(_MERGE_SECONDS):
                return await self._merge(source, target, who)
        except TimeoutError:
            raise ConflictError(f"not all was moved in {_MERGE_SECONDS} s; the same call moves the rest") from None
        finally:
            with translating_errors():
                await self._redis.delete(keys.MERGING)

    async def _merge(self, source: str, target: str, who: str) -> int:
        items = await self._items(source)
        await self._check_merge(source, items, target)
        moved = 0
        for _ in range(_MAX_ROUNDS):
            for item_id in items:
                try:
                    moved += await self._move_item(item_id, {"target": target, "source": source}, who) == "moved"
                except NotFoundError:
                    await self._forget(item_id, source, target)
            items = await self._items(source)  # mail that came meanwhile
            if not items:
                return moved
        raise ConflictError("mail comes faster than it could be moved; the same call moves the rest")

    async def _check_merge(self, source: str, items: list[str], target: str) -> None:
        mailbox = await self._mailbox(await self._items(target, most=_MAX_LOST))
        with translating_errors():
            is_known = items or await self._redis.hget(keys.MERGED, source) == target.encode()
        if mailbox is None or not is_known:
            raise NotFoundError("no such submission")
        if len(items) > MAX_MERGED:
            raise InvalidChangeError(f"a submission of at most {MAX_MERGED} items is accepted", "into")
        if await self._mailbox(items[:_MAX_LOST]) not in (mailbox, None):
            raise InvalidChangeError("a submission of the same mailbox is accepted", "into")

    async def _mailbox(self, items: list[str]) -> str | None:
        for item_id in items:
            with suppress(NotFoundError):  # Redis lost it
                return (await self._store.get(item_id)).mailbox
        return None

    async def _items(self, submission: str, most: int = MAX_MERGED + 1) -> list[str]:
        with translating_errors():
            found = await self._redis.zrange(keys.submission_items(submission), 0, most - 1)
        return [item_id.decode() for item_id in found]

    async def _move_item(self, item_id: str, where: Json, who: str, version: int | None = None) -> str:
        """Move it and return the outcome: moved, or same when it is elsewhere or there already."""
        for _ in range(_MAX_CONFLICTS):
            item = await self._store.get(item_id)
            if version is not None and version != item.version:
                raise ConflictError(f"version {version} was expected, the item is at {item.version}")
            request: Json = {
                "id": item_id,
                "version": str(item.version),
                "reading": str(item.reading_number),
                "head": encode_view_head(item_id, item.mailbox, item.machine, item.person).decode(),
                **where,
                "year": int(item.machine["created_at"][:4]),
                "bounded": self._reserve is not None,
                "max_events": self._max_events,
                "who": who,
            }
            answer = await _move(self._redis, keys.FEED, [encode_json(request)])
            outcome: str = answer[0].decode()
            if outcome in ("moved", "same"):
                return outcome
            if outcome == "alone":
                raise InvalidChangeError("this is the only item of its submission, so it cannot be split off")
            if outcome == "no target":
                raise InvalidChangeError("there is no submission with this id and with items", "into")
            if outcome == "reserve" and self._reserve:
                await self._reserve(int(answer[1]))
        raise ConflictError("the item changes faster than this change could be made")

    async def _forget(self, item_id: str, source: str, target: str) -> None:
        """Take an item that Redis lost out of *source*; the repair reads it again, and puts it where its mail leads."""
        request = {"id": item_id, "source": source, "target": target, "is_lost": True}
        await _move(self._redis, keys.FEED, [encode_json(request)])


def _fresh_id() -> str:
    """Return a new id; that of the submission's first item names the submission that it leaves."""
    return "sub_" + base64.b32encode(os.urandom(20)).decode().lower()[:26]

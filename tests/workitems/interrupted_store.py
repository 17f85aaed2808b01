"""A store in which something happens between read and write, and the events of its feed."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.queue.item import Item
from workitems.queue.store import ItemStore


async def events(redis: RedisClient) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in await feed.read_events(redis, START_CURSOR)]


class Interrupted(ItemStore):
    """Run `meanwhile` once between reading the item and writing it."""

    meanwhile: Callable[[], Awaitable[Any]] | None = None

    async def _find(self, item_id: str) -> Item | None:
        found = await super()._find(item_id)
        if self.meanwhile is not None:
            step, self.meanwhile = self.meanwhile, None
            await step()
        return found

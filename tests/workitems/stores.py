"""A store that is interrupted, and what its feed says."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from workitems import feed
from workitems.event import START
from workitems.item import Item
from workitems.redis import Client
from workitems.store import Store


async def events(redis: Client) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in await feed.between(redis, START)]


class Interrupted(Store):
    """Something else happens once between reading the item and writing it."""

    meanwhile: Callable[[], Awaitable[Any]] | None = None

    async def _find(self, item_id: str) -> Item | None:
        found = await super()._find(item_id)
        if self.meanwhile is not None:
            step, self.meanwhile = self.meanwhile, None
            await step()
        return found

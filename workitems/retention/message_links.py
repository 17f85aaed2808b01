"""Take out of Message-IDs what no longer exists.

A removal knows the Message-IDs of its own mail, and not those of items that were removed before, split off or merged:
they would keep ids of what was removed, and hashes of its Message-IDs, for ever.
"""

from collections.abc import AsyncIterator

from workitems.base import keys
from workitems.base.redis import RedisClient, Script, scan_keys

_unlink = Script("feed/feed.lua", "queue/item.lua", "queue/conversation.lua", "retention/unlink.lua")

#: Message-IDs that one step looks at: about a millisecond for Redis.
_BATCH = 50


async def clean_links(redis: RedisClient) -> AsyncIterator[int]:
    """Look at all Message-IDs, batch by batch; yield of how many something was taken. Raises StoreUnavailableError.

    What Redis lost alone, and a repair makes again, is linked by that repair.
    """
    async for names in scan_keys(redis, keys.message_id("*"), "hash"):
        for start in range(0, len(names), _BATCH):
            yield int(await _unlink(redis, keys.FEED, names[start : start + _BATCH]))

"""Makes what Redis lost of the indexes of the items again, from the items themselves.

A Redis that deletes keys to free memory may delete an index and keep its items. Every step is short and atomic, so
people may change items meanwhile, and several workers may do it at once.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass

from workitems.base import keys
from workitems.base.json_codec import encode_json
from workitems.base.redis import RedisClient, Script, ScriptArgument, scan_keys, translating_errors

_reindex = Script("feed/feed.lua", "queue/item.lua", "queue/reindex.lua")

#: Items that one step of the script looks at: about a millisecond for Redis.
_BATCH = 50

#: Members of an index that one round trip reads; and of the list of a submission, as in `reindex.lua`.
_SCAN, _SMALL = 500, 10


@dataclass(frozen=True, slots=True)
class ItemLinks:
    """An item, and the `identity.message_key` of its mail's Message-ID and of those that it answers."""

    id: str
    message_id: str
    references: Sequence[str]


async def reindex(redis: RedisClient) -> int:
    """Make the indexes of the items complete and remove from them what is no item; return how many entries changed.

    Raises StoreUnavailableError; call it again then.
    """
    count = listed = await _list_all(redis)
    if listed:  # items of one submission may differ, until each was compared with the first
        count += await _list_all(redis)
    for index in (keys.CLOSED, keys.QUARANTINE):
        count += await _clean(redis, index)
    async for names in scan_keys(redis, keys.items() + "*", "zset"):
        count += sum([await _clean(redis, name) for name in names])
    async for names in scan_keys(redis, keys.submission_items("*"), "zset"):
        count += sum([await _clean(redis, name) for name in await _large(redis, names)])
        ids = [name.removesuffix(b":items") for name in _without(keys.submission(""), names)]
        count += await _step(redis, "group", ids)
    async for names in scan_keys(redis, keys.submission("*"), "hash"):  # those that have lost all their items, too
        count += await _step(redis, "group", _without(keys.submission(""), names))
    return count


async def relink(redis: RedisClient, items: Sequence[ItemLinks]) -> int:
    """Make the Message-IDs of *items* lead to them again; return how many did not. Raises StoreUnavailableError."""
    return await _step(redis, "link", [encode_json(asdict(item)) for item in items])


async def _list_all(redis: RedisClient) -> int:
    """Put each item where it belongs."""
    count = 0
    async for names in scan_keys(redis, keys.item("*"), "hash"):
        count += await _step(redis, "list", _without(keys.item(""), names))
    return count


async def _clean(redis: RedisClient, index: str | bytes) -> int:
    """Remove from an index what does not belong there."""
    count = 0
    async for members in _members(redis, index):
        for start in range(0, len(members), _BATCH):
            count += int(await _reindex(redis, keys.FEED, ["clean", index, *members[start : start + _BATCH]]))
    return count


async def _large(redis: RedisClient, names: Sequence[bytes]) -> list[bytes]:
    """Return those of the sorted sets that are too large for the step `group` to clean them."""
    with translating_errors():
        async with redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zcard(name)
            sizes = await pipe.execute()
    return [name for name, size in zip(names, sizes, strict=True) if size > _SMALL]


async def _members(redis: RedisClient, index: str | bytes) -> AsyncIterator[list[bytes]]:
    cursor = 0
    while True:
        with translating_errors():
            cursor, found = await redis.zscan(index, cursor, count=_SCAN)
        yield [member for member, _ in found]
        if not cursor:
            return


async def _step(redis: RedisClient, step: str, arguments: Sequence[ScriptArgument]) -> int:
    count = 0
    for start in range(0, len(arguments), _BATCH):
        count += int(await _reindex(redis, keys.FEED, [step, *arguments[start : start + _BATCH]]))
    return count


def _without(prefix: str, names: Sequence[bytes]) -> list[bytes]:
    return [name.removeprefix(prefix.encode()) for name in names]

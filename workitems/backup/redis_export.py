"""Read from Redis what a backup has of it, in bounded steps, while everything runs.

First the items, then all other keys: docs/decisions/0008-backup-redis-before-mail.md says why this is consistent. Not
exported is what the import makes again from the items (INDEXES), and what must not come back (DROPPED).
"""

from collections.abc import AsyncIterator, Callable, Sequence
from time import time
from typing import Any

from workitems.base import keys
from workitems.base.errors import BackupError
from workitems.base.redis import RedisClient, Script, scan_keys, translating_errors

_get_records = Script("feed/feed.lua", "backup/item_records.lua")

#: Items that one script reads: its time in Redis stays about a millisecond.
ITEMS_AT_ONCE = 20

#: Members of one key that one step reads.
_SCAN = 500

#: Names and beginnings of names (without the prefix of all keys) that the import makes again from the items.
INDEXES = ("item:", "items", "items:", "history:", "submission:", "closed", "quarantine")

#: The same, for what must not come back: a restored Redis begins a new epoch; no lease, entry or heartbeat of the old
#: processes is valid; nobody waits for an old job; mail that waited is put again by the repair; and the manifest has
#: the store's id and generation.
DROPPED = (
    "feed", "feed:", "events:", "intake", "attempts:", "lease:", "repaired", "store", "generation", "restoring",
    "servers", "workers", "alarm:", "probe", "merging", "job:", "answer:",
)  # fmt: skip

#: Hashes that one step reads: their revision belongs to the records that they have with it.
WHOLE = (keys.USERS, keys.API_KEYS)

TOMBSTONE = "gone:"

Record = dict[str, Any]


async def export_items(redis: RedisClient) -> AsyncIterator[Record]:
    """Yield a record of every item; an item that was there all the time is there, perhaps twice (SCAN).

    Raises StoreUnavailableError.
    """
    cursor = 0
    while True:
        with translating_errors():
            cursor, found = await redis.zscan(keys.items(), cursor, count=_SCAN)
        for start in range(0, len(found), ITEMS_AT_ONCE):
            ids = [item_id for item_id, _ in found[start : start + ITEMS_AT_ONCE]]
            for answer in await _get_records(redis, keys.FEED, ids):
                yield _item_record(*answer)
        if not cursor:
            return


async def export_keys(redis: RedisClient, *, clock: Callable[[], float] = time) -> AsyncIterator[Record]:
    """Yield a record of every key that is neither an item nor made from items; a large key gives several records.

    Raises StoreUnavailableError, and BackupError for a key of a type that we never write.
    """
    async for found in scan_keys(redis):
        names = [name for name in found if _is_exported(_text(name).removeprefix(keys.PREFIX))]
        with translating_errors():
            async with redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.type(name)
                    pipe.pttl(name)
                answers = await pipe.execute()
        for name, kind, left in zip(names, answers[::2], answers[1::2], strict=True):
            expires = int(clock() * 1000) + left if left >= 0 else None
            async for value in _values(redis, name, kind.decode()):
                key = _text(name).removeprefix(keys.PREFIX)
                yield {"key": key, "type": kind.decode(), "value": value, "expires": expires}


async def count_items(redis: RedisClient) -> int:
    """Return how many items there are. Raises StoreUnavailableError."""
    with translating_errors():
        return int(await redis.zcard(keys.items()))


def _is_exported(name: str) -> bool:
    return not any(name == each or (each.endswith(":") and name.startswith(each)) for each in (*INDEXES, *DROPPED))


def _item_record(
    item_id: bytes,
    fields: Sequence[bytes],
    history: Sequence[tuple[bytes, Sequence[bytes]]],
    closed: bytes | None,
    quarantined: bytes | None,
    assignee: bytes | None,
    merged: bytes | None,
) -> Record:
    texts = [_text(each) for each in fields]
    return {
        "id": _text(item_id),
        "item": dict(zip(texts[::2], texts[1::2], strict=True)),
        "history": [[_text(entry), [_text(each) for each in steps]] for entry, steps in history],
        "closed": closed and _text(closed),
        "quarantined": quarantined and _text(quarantined),
        "assignee": _text(assignee or b""),
        "merged": _text(merged or b""),
    }


async def _values(redis: RedisClient, name: bytes, kind: str) -> AsyncIterator[Any]:
    """Yield the value of a key: the text of a string, else flat lists of members (hash: with values; zset: scores)."""
    if kind == "string":
        with translating_errors():
            value = await redis.get(name)
        if value is not None:
            yield _text(value)
        return
    if kind == "hash" and _text(name) in WHOLE:
        with translating_errors():
            yield _flat(kind, list((await redis.hgetall(name)).items()))
        return
    scans = {"hash": redis.hscan, "zset": redis.zscan, "set": redis.sscan}
    if kind == "none":  # expired, or deleted in between
        return
    if kind not in scans:
        raise BackupError(f"Redis has a key of the unknown type {kind}: {_text(name)!r:.80}")
    cursor = 0
    while True:
        with translating_errors():
            cursor, found = await scans[kind](name, cursor, count=_SCAN)
        members = list(found.items() if kind == "hash" else found)
        for start in range(0, len(members), _SCAN):
            yield _flat(kind, members[start : start + _SCAN])
        if not cursor:
            return


def _flat(kind: str, members: Sequence[Any]) -> list[Any]:
    if kind == "set":
        return [_text(member) for member in members]
    return [each for member, value in members for each in (_text(member), value if kind == "zset" else _text(value))]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")

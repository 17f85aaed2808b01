"""Write into an empty Redis what a backup has of it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from itertools import islice
from typing import Any, TypeVar

from workitems.backup.redis_export import Record
from workitems.backup.restore_check import RedisContent
from workitems.base import failpoint, keys
from workitems.base.errors import BackupError
from workitems.base.redis import RedisClient, scan_keys, translating_errors
from workitems.recovery.restore_mark import OF_PROGRAMS

T = TypeVar("T")

#: Records that one round trip writes.
_BATCH = 100


async def read_content(redis: RedisClient) -> RedisContent:
    """Return what Redis has of Tubepost. Raises StoreUnavailableError."""
    with translating_errors():
        restoring, store = await redis.mget(keys.RESTORING, keys.STORE)
        used = await redis.exists(*OF_PROGRAMS)
    async with aclosing(scan_keys(redis)) as scan:
        names = await anext(scan, None)
    return RedisContent(_shown(names[0]), _shown(restoring), _shown(store), bool(used)) if names else RedisContent()


async def claim_redis(redis: RedisClient, backup_id: str, *, emptied: bool) -> None:
    """Mark Redis as being restored; *emptied*: remove what an interrupted restore left. Raises StoreUnavailableError.

    `check_place` has judged what is there.
    """
    with translating_errors():
        await redis.set(keys.RESTORING, backup_id)
    failpoint.reach("restore-claimed")
    if emptied:
        async for names in scan_keys(redis):
            if old := [name for name in names if name != keys.RESTORING.encode()]:
                with translating_errors():
                    await redis.unlink(*old)
            failpoint.reach("restore-emptied")


async def finish_restore(redis: RedisClient) -> None:
    """Remove the mark. Raises StoreUnavailableError."""
    with translating_errors():
        await redis.delete(keys.RESTORING)


async def set_store(redis: RedisClient, store_id: str, generation: str) -> None:
    """Say which mail store belongs to this Redis: until its files are there, every program waits for them."""
    with translating_errors():
        if generation:
            await redis.set(keys.GENERATION, generation)
        await redis.set(keys.STORE, store_id)


async def import_keys(redis: RedisClient, records: Iterable[Record], progress: Callable[[int], None]) -> None:
    """Write keys; *progress* gets how many records are written. Raises StoreUnavailableError."""
    written = 0
    for batch in _batches(records, _BATCH):
        existing = await _existing_items(redis, batch)
        with translating_errors():
            async with redis.pipeline(transaction=False) as pipe:
                for record in batch:
                    _write_key(pipe, record, existing)
                await pipe.execute()
        progress(written := written + len(batch))


async def import_items(redis: RedisClient, records: Iterable[Record], progress: Callable[[int], None]) -> int:
    """Write items, their history and indexes, without those that have a tombstone. Return how many there are.

    The tombstones must be there already: an item may have been removed while the backup was made. Raises
    StoreUnavailableError.
    """
    written = 0
    for batch in _batches(records, _BATCH):
        by_id = {record["id"]: record for record in batch}
        with translating_errors():
            async with redis.pipeline(transaction=False) as pipe:
                for item_id in by_id:
                    pipe.exists(keys.gone(item_id), keys.item(item_id))
                known = await pipe.execute()
            fresh = [record for record, is_known in zip(by_id.values(), known, strict=True) if not is_known]
            async with redis.pipeline(transaction=False) as pipe:
                for record in fresh:
                    _write_item(pipe, record)
                await pipe.execute()
            await _count_submissions(
                redis, {submission for record in fresh if (submission := _field(record, "submission"))}
            )
        progress(written := written + len(batch))
    with translating_errors():
        return int(await redis.zcard(keys.items()))


def _write_item(pipe: Any, record: Record) -> None:
    item_id, score = record["id"], _field(record, "score") or "0"
    mailbox, status, submission = (_field(record, name) for name in ("mailbox", "status", "submission"))
    pipe.hset(keys.item(item_id), mapping=_encoded(record["item"]))
    for entry, steps in record["history"]:
        values = [_bytes(each) for each in steps]
        pipe.xadd(keys.history(item_id), dict(zip(values[::2], values[1::2], strict=True)), id=entry)
    for index in (keys.items(), keys.items(mailbox), keys.items(None, status), keys.items(mailbox, status)):
        pipe.zadd(index, {item_id: score})
    for index, since in ((keys.CLOSED, record["closed"]), (keys.QUARANTINE, record["quarantined"])):
        if since:
            pipe.zadd(index, {item_id: since})
    if submission:
        pipe.zadd(keys.submission_items(submission), {item_id: score})
        group = {"reference": _field(record, "reference"), "assignee": record["assignee"]}
        if merged := record.get("merged"):  # a backup of an older program has none
            group["merged"] = merged
        pipe.hset(keys.submission(submission), mapping=_encoded(group))


def _field(record: Record, name: str) -> str:
    """Return a field of an item; '' when a broken record lacks it: that must not stop all others."""
    return str(record["item"].get(name, ""))


async def _count_submissions(redis: RedisClient, submissions: Iterable[str]) -> None:
    ids = sorted(submissions)
    async with redis.pipeline(transaction=False) as pipe:
        for submission in ids:
            pipe.zcard(keys.submission_items(submission))
        counts = await pipe.execute()
    async with redis.pipeline(transaction=False) as pipe:
        for submission, count in zip(ids, counts, strict=True):
            pipe.hset(keys.submission(submission), "items", count)
        await pipe.execute()


def _write_key(pipe: Any, record: Record, existing: set[str]) -> None:
    key, kind, value = keys.PREFIX.encode() + _bytes(record["key"]), record["type"], record["value"]
    if kind == "string":
        pipe.set(key, _bytes(value))
    elif kind == "hash":
        pairs = zip(value[::2], value[1::2], strict=True)
        pipe.hset(key, mapping={_bytes(name): _bytes(_known(record, name, text, existing)) for name, text in pairs})
    elif kind == "zset":
        pipe.zadd(key, {_bytes(member): score for member, score in zip(value[::2], value[1::2], strict=True)})
    elif kind == "set":
        pipe.sadd(key, *(_bytes(member) for member in value))
    else:
        raise BackupError(f"the backup has a key of the unknown type {kind!r:.40}")
    if record["expires"] is not None:
        pipe.pexpireat(key, record["expires"])


def _named_items(record: Record) -> list[str]:
    """Return the ids of the items that the record of a Message-ID names."""
    if not record["key"].startswith("messageid:"):
        return []
    pairs = zip(record["value"][::2], record["value"][1::2], strict=True)
    return [item_id for name, text in pairs if name == "items" for item_id in text.split(",")]


async def _existing_items(redis: RedisClient, records: Iterable[Record]) -> set[str]:
    """Return which items that Message-IDs name are there. One that came after its export comes again by its mail."""
    ids = sorted({item_id for record in records for item_id in _named_items(record)})
    with translating_errors():
        async with redis.pipeline(transaction=False) as pipe:
            for item_id in ids:
                pipe.exists(keys.item(item_id))
            return {item_id for item_id, is_there in zip(ids, await pipe.execute(), strict=True) if is_there}


def _known(record: Record, name: str, text: str, existing: set[str]) -> str:
    if name == "items" and record["key"].startswith("messageid:"):
        return ",".join(item_id for item_id in text.split(",") if item_id in existing)
    return text


def _batches(records: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(records)
    while batch := list(islice(iterator, size)):
        yield batch


def _shown(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def _encoded(texts: dict[str, str]) -> dict[bytes, bytes]:
    return {_bytes(name): _bytes(text) for name, text in texts.items()}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

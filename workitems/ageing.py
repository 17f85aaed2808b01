"""What is old enough to go: closed items, and raw mail of items that stay."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from workitems import keys
from workitems.errors import StoreUnavailableError
from workitems.redis import Client, Script, available

_unkeep = Script("feed.lua", "unkeep.lua")

#: Items that are looked at in one round trip.
BATCH = 200

#: The statuses that ask nothing of anybody.
CLOSED = ("done", "dismissed")

P = ParamSpec("P")
R = TypeVar("R")


async def index_closed(redis: Client) -> int:
    """Enter closed items that an older program did not: when they were last changed counts. Says how many."""
    with available():
        known = await redis.zcard(keys.CLOSED)
        closed = sum([await redis.zcard(keys.items(status=status)) for status in CLOSED])
    if known >= closed:
        return 0
    return sum([await _index(redis, status) for status in CLOSED])


async def _index(redis: Client, status: str) -> int:
    count, start = 0, 0
    while True:
        with available():
            found = await redis.zrange(keys.items(status=status), start, start + BATCH - 1, withscores=True)
            if not found:
                return count
            scores = await redis.zmscore(keys.CLOSED, [item_id for item_id, _ in found])
            missing = [pair for pair, score in zip(found, scores, strict=True) if score is None]
            async with redis.pipeline(transaction=False) as pipe:
                for item_id, _ in missing:
                    pipe.xrevrange(keys.history(item_id.decode()), count=1)
                last = await pipe.execute()
            if missing:
                since = {
                    item_id: int(entries[0][0].split(b"-")[0]) if entries else int(score / 2**20) * 1000
                    for (item_id, score), entries in zip(missing, last, strict=True)
                }
                await redis.zadd(keys.CLOSED, since, nx=True)
        count, start = count + len(missing), start + BATCH


async def closed_items(redis: Client, before: float) -> AsyncIterator[list[str]]:
    """Items that were closed by *before* (seconds since 1970) and whose whole conversation is closed, in batches.

    Whoever takes a batch removes it before asking for the next.
    """
    kept, known = 0, dict[str, bool]()
    while True:
        with available():
            found = await redis.zrange(keys.CLOSED, "-inf", int(before * 1000), byscore=True, offset=kept, num=BATCH)
            items = [item_id.decode() for item_id in found]
            async with redis.pipeline(transaction=False) as pipe:
                for item_id in items:
                    pipe.hget(keys.item(item_id), "submission")
                submissions = [(each or b"").decode() for each in await pipe.execute()]
        if not items:
            return
        for submission in set(submissions) - known.keys():
            known[submission] = await _is_open(redis, submission)
        due = [item_id for item_id, each in zip(items, submissions, strict=True) if not known[each]]
        if due:
            yield due
        with available():  # one that stayed after all is passed over
            left = await redis.zmscore(keys.CLOSED, items)
        kept += sum(score is not None for score in left)


async def _is_open(redis: Client, submission: str) -> bool:
    """Whether something of a conversation is still to be done."""
    start = 0
    while True:
        with available():
            items = await redis.zrange(keys.submission_items(submission), start, start + BATCH - 1)
            async with redis.pipeline(transaction=False) as pipe:
                for item_id in items:
                    pipe.hget(keys.item(item_id.decode()), "status")
                statuses = await pipe.execute()
        if any(status and status.decode() not in CLOSED for status in statuses):
            return True
        if not items:
            return False
        start += BATCH


async def expire_raw(redis: Client, shard: Path, before: float) -> int:
    """Remove raw mail that was stored by *before* from one folder of the mail store; says of how many items.

    Sidecars, and what was read from the mail, stay; mail that waits to be read is left.
    """
    aged = await _off_loop(_aged, shard, before)
    count = 0
    for start in range(0, len(aged), BATCH):
        batch = aged[start : start + BATCH]
        found = await _unkeep(redis, keys.FEED, [folder.name for folder in batch])
        agreed = {item_id.decode() for item_id in found}
        await _off_loop(_unlink, [folder for folder in batch if folder.name in agreed])
        count += len(agreed)
    return count


def _aged(shard: Path, before: float) -> list[Path]:
    """Folders of items all of whose raw mail is that old."""
    found = []
    for folder in shard.glob("wi_*"):
        ages = [path.stat().st_mtime for path in folder.glob("*.eml")]
        if ages and max(ages) <= before:
            found.append(folder)
    return sorted(found)


def _unlink(folders: Sequence[Path]) -> None:
    for folder in folders:
        for path in folder.glob("*.eml"):
            path.unlink(missing_ok=True)


async def _off_loop(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        raise StoreUnavailableError(f"the mail store cannot serve: {error.strerror}") from error

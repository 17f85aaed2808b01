"""Find what is old enough to be removed: closed items, and raw mail of items that stay."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import time

from workitems.base import keys
from workitems.base.redis import RedisClient, Script, translating_errors
from workitems.base.statuses import CLOSED_STATUSES
from workitems.mailstore import durable_files
from workitems.mailstore.store import MailStore

_unkeep = Script("feed/feed.lua", "retention/unkeep.lua")

#: Items that one round trip checks.
BATCH = 200


async def index_closed(redis: RedisClient) -> int:
    """Index closed items that an older program did not index, by their last change. Return how many.

    One without a history, which Redis may have lost, is kept from now on: never too short.
    """
    with translating_errors():
        known = await redis.zcard(keys.CLOSED)
        closed = sum([await redis.zcard(keys.items(status=status)) for status in CLOSED_STATUSES])
    if known >= closed:
        return 0
    return sum([await _index(redis, status) for status in CLOSED_STATUSES])


async def _index(redis: RedisClient, status: str) -> int:
    count, start = 0, 0
    while True:
        with translating_errors():
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
                    item_id: int(entries[0][0].split(b"-")[0]) if entries else int(time() * 1000)
                    for (item_id, _), entries in zip(missing, last, strict=True)
                }
                await redis.zadd(keys.CLOSED, since, nx=True)
        count, start = count + len(missing), start + BATCH


async def expired_items(redis: RedisClient, before: float) -> AsyncIterator[list[str]]:
    """Yield batches of items that were closed by *before* (seconds since 1970) and whose whole submission is closed.

    The caller removes each batch before it asks for the next.
    """
    kept, known = 0, dict[str, bool]()
    while True:
        with translating_errors():
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
        unlisted = await _find_unlisted(redis, items, submissions)
        due = [
            item_id for item_id, each in zip(items, submissions, strict=True)
            if not known[each] and item_id not in unlisted
        ]  # fmt: skip
        if due:
            yield due
        with translating_errors():  # skip those that were not removed
            left = await redis.zmscore(keys.CLOSED, items)
        kept += sum(score is not None for score in left)


async def _find_unlisted(redis: RedisClient, items: Sequence[str], submissions: Sequence[str]) -> set[str]:
    """Return the items whose submission does not list them: Redis has lost its list, so others of it may be open."""
    with translating_errors():
        async with redis.pipeline(transaction=False) as pipe:
            for item_id, submission in zip(items, submissions, strict=True):
                pipe.zscore(keys.submission_items(submission), item_id)
            scores = await pipe.execute()
    pairs = zip(items, submissions, scores, strict=True)
    return {item_id for item_id, submission, score in pairs if submission and score is None}


async def _is_open(redis: RedisClient, submission: str) -> bool:
    """Return whether a submission has an item that is not closed, or one that Redis has lost."""
    start = 0
    while True:
        with translating_errors():
            items = await redis.zrange(keys.submission_items(submission), start, start + BATCH - 1)
            async with redis.pipeline(transaction=False) as pipe:
                for item_id in items:
                    pipe.hget(keys.item(item_id.decode()), "status")
                statuses = await pipe.execute()
        if any((status or b"").decode() not in CLOSED_STATUSES for status in statuses):
            return True
        if not items:
            return False
        start += BATCH


async def expire_raw(redis: RedisClient, mailstore: MailStore, shard: Path, before: float) -> int:
    """Remove raw mail stored by *before* from one folder of the mail store; return of how many items.

    Sidecars and readings stay. Mail that waits to be read is not touched.
    """
    with durable_files.translating_disk_errors():
        aged = await mailstore.threads.run_shielded(_aged, shard, before)
    count = 0
    for start in range(0, len(aged), BATCH):
        batch = aged[start : start + BATCH]
        found = await _unkeep(redis, keys.FEED, [folder.name for folder in batch])
        agreed = {item_id.decode() for item_id in found}
        with durable_files.translating_disk_errors():
            await mailstore.threads.run_shielded(_unlink, [folder for folder in batch if folder.name in agreed])
        count += len(agreed)
    return count


def _aged(shard: Path, before: float) -> list[Path]:
    """Return the folders of items whose raw mails are all that old."""
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

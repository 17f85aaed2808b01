"""Redis's append-only file holds the bytes of what was deleted until it is rewritten: having that done."""

import asyncio
from dataclasses import dataclass
from time import monotonic

from redis.exceptions import ResponseError

from workitems import keys
from workitems.redis import Client, available

#: Seconds between two looks at whether it is done.
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Whether the file holds nothing any more of what was deleted before, and a sentence that says so or why not."""

    done: bool
    told: str


async def rewrite(redis: Client, *, seconds: float) -> Rewriting:
    """Have Redis rewrite its append-only file and wait up to *seconds* for it; with 0 it is only begun.

    A Redis of somebody else may refuse; that is told and no error. Raises StoreUnavailableError.
    """
    deadline, since = monotonic() + seconds, None
    try:
        with available():
            if not (await redis.info("persistence")).get("aof_enabled"):
                return Rewriting(True, "Redis keeps no append-only file.")
            # Before it begins: what is removed while it runs needs another one.
            since = await redis.hget(keys.RETENTION, "removed")
            await redis.hdel(keys.RETENTION, "removed")
        # One that is already under way may have begun before the deletion: ours must come after it.
        while not await _begun(redis):
            if monotonic() > deadline:
                await _owe(redis, since)
                return Rewriting(False, "Redis is rewriting its append-only file already; try again when it has ended.")
            await asyncio.sleep(_LOOK)
        return await _ended(redis, deadline)
    except ResponseError as error:
        await _owe(redis, since)
        return Rewriting(False, f"Redis refused to rewrite its append-only file ({str(error)[:80]}): have that done.")


async def _owe(redis: Client, since: bytes | None) -> None:
    """It is still to be done."""
    if since is not None:
        with available():
            await redis.hsetnx(keys.RETENTION, "removed", since)


async def _begun(redis: Client) -> bool:
    with available():
        try:
            await redis.bgrewriteaof()
        except ResponseError as error:
            if "already in progress" not in str(error):
                raise
            return False
    return True


async def _ended(redis: Client, deadline: float) -> Rewriting:
    while True:
        with available():
            info = await redis.info("persistence")
        if not info.get("aof_rewrite_in_progress") and not info.get("aof_rewrite_scheduled"):
            if info.get("aof_last_bgrewrite_status") == "ok":
                return Rewriting(True, "Redis's append-only file was rewritten without it.")
            return Rewriting(False, "Redis could not rewrite its append-only file; its log says why.")
        if monotonic() > deadline:
            return Rewriting(False, "Redis is rewriting its append-only file and holds the old bytes until then.")
        await asyncio.sleep(_LOOK)

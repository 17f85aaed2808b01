"""Have Redis rewrite its append-only file: until then the file holds the bytes of what was deleted."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Any

from redis.exceptions import ResponseError

from workitems.base import keys
from workitems.base.redis import RedisClient, error_words, translating_errors

#: Seconds between two checks whether it is done.
_CHECK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class AofRewrite:
    """Whether the file is free of what was deleted before, and a sentence for people that says so or why not."""

    is_done: bool
    message: str


class _RefusedError(Exception):
    """Redis does not let us do it; the message is what it said."""


async def rewrite_aof(redis: RedisClient, *, seconds: float) -> AofRewrite:
    """Have Redis rewrite its append-only file and wait up to *seconds* for it; with 0 only start it.

    A managed Redis may refuse; the answer says so, and it is no error. Raises StoreUnavailableError.
    """
    deadline, since = monotonic() + seconds, None
    try:
        if not (await _persistence(redis)).get("aof_enabled"):
            return AofRewrite(True, "Redis keeps no append-only file.")
        with translating_errors():
            # Before it begins: what is removed while it runs needs another one.
            since = await redis.hget(keys.RETENTION, "removed")
            await redis.hdel(keys.RETENTION, "removed")
        # A rewrite that already runs may have begun before the deletion: ours must come after it.
        while not await _begun(redis):
            if monotonic() > deadline:
                await _mark_needed(redis, since)
                return AofRewrite(
                    False, "Redis is rewriting its append-only file already; try again when it has ended."
                )
            await asyncio.sleep(_CHECK_SECONDS)
        return await _ended(redis, deadline)
    except _RefusedError as error:
        await _mark_needed(redis, since)
        return AofRewrite(False, f"Redis refused to rewrite its append-only file ({error}): have that done.")


async def _persistence(redis: RedisClient) -> dict[str, Any]:
    with translating_errors():
        try:
            info: dict[str, Any] = await redis.info("persistence")
        except ResponseError as error:  # INFO may be forbidden
            raise _RefusedError(error_words(error)) from error
    return info


async def _mark_needed(redis: RedisClient, since: bytes | None) -> None:
    """Record again that a rewrite is needed."""
    if since is not None:
        with translating_errors():
            await redis.hsetnx(keys.RETENTION, "removed", since)


async def _begun(redis: RedisClient) -> bool:
    with translating_errors():
        try:
            await redis.bgrewriteaof()
        except ResponseError as error:
            if "already in progress" not in str(error):
                raise _RefusedError(error_words(error)) from error
            return False
    return True


async def _ended(redis: RedisClient, deadline: float) -> AofRewrite:
    while True:
        info = await _persistence(redis)
        if not info.get("aof_rewrite_in_progress") and not info.get("aof_rewrite_scheduled"):
            if info.get("aof_last_bgrewrite_status") == "ok":
                return AofRewrite(True, "Redis's append-only file was rewritten without it.")
            return AofRewrite(False, "Redis could not rewrite its append-only file; its log says why.")
        if monotonic() > deadline:
            return AofRewrite(False, "Redis is rewriting its append-only file and holds the old bytes until then.")
        await asyncio.sleep(_CHECK_SECONDS)

"""How much memory Redis uses."""

from dataclasses import dataclass

from redis.exceptions import NoPermissionError

from workitems.base.redis import RedisClient, translating_errors


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """Bytes that Redis uses, and that it may use at most; 0: no limit."""

    used: int
    maximum: int


async def read_redis_memory(redis: RedisClient) -> RedisMemory | None:
    """Return the memory of Redis; None when its rules (ACL) do not let us ask. Raises StoreUnavailableError."""
    with translating_errors():
        try:
            info = await redis.info("memory")
        except NoPermissionError:
            return None
    return RedisMemory(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)))

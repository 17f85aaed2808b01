"""Tokens that are valid for one mail: a person who has overheard one cannot send another mail with it."""

import hashlib

from workitems.base import keys
from workitems.base.redis import RedisClient, translating_errors


async def claim(redis: RedisClient, token: str, fingerprint: str, seconds: float) -> bool:
    """Return whether *token* is valid for the mail with *fingerprint*: it is unused, or the same mail used it.

    A service that retries after a refusal sends the same token and the same mail. The token is kept for *seconds*.
    Raises StoreUnavailableError.
    """
    key = keys.posted(hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:32])
    with translating_errors():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.set(key, fingerprint, nx=True, ex=max(1, int(seconds)))
            pipe.get(key)
            _, owner = await pipe.execute()
    return bool(owner == fingerprint.encode())

"""Tokens that are good for one mail: whoever has overheard one cannot post another mail with it."""

import hashlib

from workitems import keys
from workitems.redis import Client, available


async def claim(redis: Client, token: str, fingerprint: str, seconds: float) -> bool:
    """Whether *token* is good for the mail of that *fingerprint*: nobody used it before, or the same mail did.

    A service that tries again after it was refused comes with the same token and the same mail. Kept for *seconds*.
    Raises StoreUnavailableError.
    """
    key = keys.posted(hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:32])
    with available():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.set(key, fingerprint, nx=True, ex=max(1, int(seconds)))
            pipe.get(key)
            _, owner = await pipe.execute()
    return bool(owner == fingerprint.encode())

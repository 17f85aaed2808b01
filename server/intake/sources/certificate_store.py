"""Keeps the certificates of SNS that verified a message over a restart, in Redis for all processes.

A known one needs no fetch. So strangers, who can use up the fetches of a process that has just started, keep nothing of
SNS out. They cannot fill this store: their messages verify nothing.
"""

import time
from collections.abc import Callable

from workitems.base import keys
from workitems.base.redis import RedisClient, translating_errors

#: Certificates at most; those that are valid for the longest time stay.
MAX_STORED = 32


class CertificateStore:
    """Certificates (PEM) by address, until they expire. Every method raises StoreUnavailableError."""

    def __init__(
        self, redis: RedisClient, read_expiry: Callable[[bytes], float], clock: Callable[[], float] = time.time
    ) -> None:
        """*read_expiry* returns the end of a certificate's validity, or raises ValueError. Times are since 1970."""
        self._redis = redis
        self._read_expiry = read_expiry
        self._clock = clock

    async def get(self, url: str) -> bytes | None:
        """Return the certificate of *url*; None if there is none that is valid now."""
        with translating_errors():
            found: bytes | None = await self._redis.hget(keys.CERTIFICATES, url)
        return found if found is not None and self._expiry(found) > self._clock() else None

    async def put(self, url: str, certificate: bytes) -> None:
        """Store the certificate of *url*, and remove those that have expired or are too many."""
        with translating_errors():
            stored = {name.decode(): each for name, each in (await self._redis.hgetall(keys.CERTIFICATES)).items()}
        stored[url] = certificate
        expiries = {name: self._expiry(each) for name, each in stored.items()}
        valid = [name for name, expiry in expiries.items() if expiry > self._clock()]
        kept = sorted(valid, key=expiries.__getitem__, reverse=True)[:MAX_STORED]
        if url not in kept:
            return
        gone = stored.keys() - set(kept)
        with translating_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(keys.CERTIFICATES, url, certificate)
                if gone:
                    pipe.hdel(keys.CERTIFICATES, *gone)
                pipe.expireat(keys.CERTIFICATES, int(expiries[kept[0]]))
                await pipe.execute()

    def _expiry(self, certificate: bytes) -> float:
        try:
            return self._read_expiry(certificate)
        except ValueError:
            return 0.0

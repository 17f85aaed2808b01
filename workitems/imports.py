"""How far an import of old mail has come, so that it goes on where it was broken off."""

from dataclasses import dataclass
from datetime import date

from workitems import keys
from workitems.redis import Client, available


@dataclass(frozen=True, slots=True)
class Import:
    """UIDs up to `uid` were looked at, of those up to `last`; `since`: mail of that day and later alone."""

    uidvalidity: int
    uid: int
    last: int
    since: date | None = None


class Imports:
    """The record of one folder's import. Every method raises StoreUnavailableError."""

    def __init__(self, redis: Client, name: str, folder: str) -> None:
        self._redis = redis
        self._key = keys.imported(name, folder)

    async def get(self) -> Import | None:
        """None when none was begun, or the last one was finished."""
        with available():
            values = await self._redis.hmget(self._key, "uidvalidity", "uid", "last", "since")
        validity, uid, last, since = ((value or b"").decode() for value in values)
        if not validity:
            return None
        return Import(int(validity), int(uid), int(last), date.fromisoformat(since) if since else None)

    async def put(self, record: Import) -> None:
        """Remember *record*."""
        since = record.since.isoformat() if record.since else ""
        fields = {"uidvalidity": record.uidvalidity, "uid": record.uid, "last": record.last, "since": since}
        with available():
            await self._redis.hset(self._key, mapping=fields)

    async def finish(self) -> None:
        """The import is over: the next one begins anew."""
        with available():
            await self._redis.delete(self._key)

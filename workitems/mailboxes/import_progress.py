"""The progress of an import of old mail, so that it can continue after an interruption."""

from dataclasses import dataclass
from datetime import date

from workitems.base import keys
from workitems.base.redis import RedisClient, translating_errors


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """UIDs up to `uid` were checked, of those up to `last_uid`; `since`: only mail of that day and later."""

    uidvalidity: int
    uid: int
    last_uid: int
    since: date | None = None


class ImportProgressStore:
    """The record of one folder's import. Every method raises StoreUnavailableError."""

    def __init__(self, redis: RedisClient, name: str, folder: str) -> None:
        self._redis = redis
        self._key = keys.imported(name, folder)

    async def get(self) -> ImportProgress | None:
        """Return the progress; None when no import was begun, or the last one was finished."""
        with translating_errors():
            values = await self._redis.hmget(self._key, "uidvalidity", "uid", "last", "since")
        validity, uid, last, since = ((value or b"").decode() for value in values)
        if not validity:
            return None
        return ImportProgress(int(validity), int(uid), int(last), date.fromisoformat(since) if since else None)

    async def save(self, record: ImportProgress) -> None:
        """Store *record*."""
        since = record.since.isoformat() if record.since else ""
        fields = {"uidvalidity": record.uidvalidity, "uid": record.uid, "last": record.last_uid, "since": since}
        with translating_errors():
            await self._redis.hset(self._key, mapping=fields)

    async def finish(self) -> None:
        """Delete the record: the next import starts from the beginning."""
        with translating_errors():
            await self._redis.delete(self._key)

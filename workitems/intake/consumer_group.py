"""The consumer group of the intake: each waiting mail is taken by one consumer, and abandoned mail by another one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from workitems.base import keys
from workitems.base.redis import RedisClient, Script, translating_errors

_hold = Script("feed/feed.lua", "intake/hold.lua")
_count = Script("feed/feed.lua", "intake/count.lua")


@dataclass(frozen=True, slots=True)
class IntakeEntry:
    """A mail that waits to be read."""

    entry_id: str
    item_id: str
    mailbox: str
    #: Bytes of the mail, as far as is known.
    size: int = 0


class ConsumerGroup:
    """The consumer group of one Redis. Every method may raise StoreUnavailableError."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis

    async def ensure_group(self) -> None:
        """Make the consumer group; from the very first entry, since mail may have come before any worker."""
        with translating_errors():
            try:
                await self._redis.xgroup_create(keys.INTAKE, keys.READERS_GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def take(
        self, blocking: RedisClient, consumer: str, *, count: int, block_seconds: float
    ) -> list[IntakeEntry]:
        """Take mail that no consumer took yet; wait up to *block_seconds* for some."""
        return await self._read_group(blocking, consumer, ">", count, block=max(1, int(block_seconds * 1000)))

    async def read_pending(self, consumer: str, *, after: str = "0", count: int = 100) -> list[IntakeEntry]:
        """Return mail after the entry *after* that *consumer* took and did not finish, oldest first."""
        return await self._read_group(self._redis, consumer, after, count)

    async def claim_abandoned(self, consumer: str, *, idle: float, count: int = 20) -> list[IntakeEntry]:
        """Take over mail that another consumer left for *idle* seconds."""
        entries: list[Any] = []
        with _without_group():
            _, entries, *_ = await self._redis.xautoclaim(
                keys.INTAKE,
                keys.READERS_GROUP,
                consumer,
                min_idle_time=int(idle * 1000),
                start_id="0-0",
                count=count,
            )
        return [_entry(entry_id, fields) for entry_id, fields in entries if fields]

    async def is_pending(self, consumer: str, entry_id: str) -> bool:
        """Return whether the entry still waits for *consumer*: another may have taken it over, or finished it."""
        found: list[Any] = []
        with _without_group():
            found = await self._redis.xpending_range(
                keys.INTAKE, keys.READERS_GROUP, min=entry_id, max=entry_id, count=1, consumername=consumer
            )
        return bool(found)

    async def renew_claims(self, consumer: str, entry_ids: Sequence[str]) -> None:
        """Keep other consumers from claiming *entry_ids*; entries that *consumer* does not have are left alone."""
        if entry_ids:
            with _without_group():
                await _hold(self._redis, keys.FEED, [consumer, *entry_ids])

    async def get_attempts(self, item_id: str) -> int:
        """Return how many attempts to read a mail were counted."""
        with translating_errors():
            return int(await self._redis.hget(keys.attempts(item_id), "n") or 0)

    async def set_attempts(self, entry: IntakeEntry, attempts: int) -> None:
        """Set how many attempts a mail had, before the next begins: one that ends this process must have been counted.

        It is set and not incremented: when an answer is lost the call is repeated, and that is no further attempt. A
        mail that another consumer finished is left alone.
        """
        await _count(self._redis, keys.FEED, [entry.item_id, entry.entry_id, attempts])

    async def _read_group(
        self, redis: RedisClient, consumer: str, start: str, count: int, block: int | None = None
    ) -> list[IntakeEntry]:
        has_group, found = False, None
        with _without_group():
            found = await redis.xreadgroup(keys.READERS_GROUP, consumer, {keys.INTAKE: start}, count=count, block=block)
            has_group = True
        if not has_group:
            await self.ensure_group()
        return [_entry(entry_id, fields) for _, entries in found or [] for entry_id, fields in entries if fields]


@contextmanager
def _without_group() -> Iterator[None]:
    """Leave the block early when there is no consumer group: Redis was restored, flushed or failed over."""
    with translating_errors():
        try:
            yield
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise


def _entry(entry_id: bytes, fields: dict[bytes, bytes]) -> IntakeEntry:
    return IntakeEntry(
        entry_id.decode(), fields[b"id"].decode(), fields[b"mailbox"].decode(), int(fields.get(b"size", b"0") or 0)
    )

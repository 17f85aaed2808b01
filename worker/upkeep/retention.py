"""Removes items and raw mail that were kept long enough, and finishes removals. One worker does it for all."""

import asyncio
from collections.abc import Callable
from time import time

from workitems.base import keys
from workitems.base.errors import StoreUnavailableError
from workitems.base.log import get_logger
from workitems.base.redis import RedisClient, translating_errors
from workitems.base.service_loop import run_service_loop
from workitems.mailboxes.lease import Lease
from workitems.mailstore.store import MailStore
from workitems.retention.aof_rewrite import rewrite_aof
from workitems.retention.expiry import expire_raw, expired_items, index_closed
from workitems.retention.message_links import clean_links
from workitems.retention.removal import Removal
from workitems.settings import RetentionSettings

log = get_logger("retention")

#: Seconds between two checks for unfinished removals; between two searches for expired items; between two rewrites of
#: the append-only file, and between two searches through all raw mail, or all Message-IDs.
CHECK_SECONDS, HOUR, DAY = 20.0, 3600.0, 86400.0

#: Seconds of pause after each batch, so that other work gets time.
PAUSE = 0.02

#: Seconds after which another worker continues if this one has ended.
LEASE = 120.0

#: The name of the lease; no mailbox can have this name.
LEASE_NAME = "sweep.retention"


class Retention:
    """One worker's retention. *clock* returns seconds since 1970."""

    def __init__(
        self,
        redis: RedisClient,
        mailstore: MailStore,
        removal: Removal,
        settings: RetentionSettings,
        *,
        worker: str,
        clock: Callable[[], float] = time,
    ) -> None:
        self._redis = redis
        self._mailstore = mailstore
        self._removal = removal
        self._settings = settings
        self._lease = Lease(redis, LEASE_NAME, worker, ttl_seconds=LEASE)
        self._clock = clock
        self._last_search = float("-inf")

    async def run(self) -> None:
        """Remove expired items and mail until cancelled."""
        await run_service_loop(
            self.run_once, seconds=CHECK_SECONDS, waits="retention waits", failed="retention failed", log=log
        )

    async def run_once(self) -> bool:
        """Finish removals, and once an hour look for expired items. Return False if another worker does that."""
        if await self._lease.acquire():
            return False
        while await self._removal.finish_all(now=self._clock()):
            await self._pause()
        if self._clock() - self._last_search >= HOUR:
            self._last_search = self._clock()
            await self._remove_expired()
        return True

    async def _remove_expired(self) -> None:
        if self._settings.keep_days:
            await self._remove_closed(self._clock() - self._settings.keep_days * DAY)
        if self._settings.keep_raw_days and await self._is_due("raws"):
            await self._expire_raw(self._clock() - self._settings.keep_raw_days * DAY)
        if await self._is_due("links"):
            await self._clean_links()
        await self._rewrite()

    async def _remove_closed(self, before: float) -> None:
        await index_closed(self._redis)
        why = f"kept for {self._settings.keep_days:g} days"
        count = 0
        async for batch in expired_items(self._redis, before):
            removed = [
                item_id for item_id in batch
                if await self._removal.remove(item_id, who="retention", why=why, closed_by=before)
            ]  # fmt: skip
            await self._removal.record_tombstones(removed)  # `finish_all` does the rest later
            count += len(removed)
            await self._pause()
        if count:
            log.info("closed items were removed, since their keep_days are over", items=count)

    async def _expire_raw(self, before: float) -> None:
        count = 0
        for shard in await self._mailstore.shards():
            count += await expire_raw(self._redis, self._mailstore, shard, before)
            await self._pause()
        await self._record_run("raws")
        if count:
            log.info("raw mail was removed, since its keep_raw_days are over", mails=count)

    async def _clean_links(self) -> None:
        async for _ in clean_links(self._redis):
            await self._pause()
        await self._record_run("links")

    async def _rewrite(self) -> None:
        """Rewrite the append-only file after removals, once all of them are finished, at most once a day."""
        with translating_errors():
            removed = await self._redis.hexists(keys.RETENTION, "removed")
            unfinished = await self._redis.zcard(keys.REMOVING)
        if not removed or unfinished or not await self._is_due("rewritten"):
            return
        await self._record_run("rewritten")
        rewriting = await rewrite_aof(self._redis, seconds=0)
        log.info("rewriting the append-only file", outcome=rewriting.message)

    async def _is_due(self, what: str) -> bool:
        with translating_errors():
            last = await self._redis.hget(keys.RETENTION, what)
        return self._clock() - int(last or 0) / 1000 >= DAY

    async def _record_run(self, what: str) -> None:
        with translating_errors():
            await self._redis.hset(keys.RETENTION, what, int(self._clock() * 1000))

    async def _pause(self) -> None:
        """Leave Redis and the disk to other tasks for a moment, and renew the lease."""
        await asyncio.sleep(PAUSE)
        if await self._lease.acquire():
            raise StoreUnavailableError("another worker continues the retention")

"""Takes away what was kept long enough, and brings removals to their end. One worker does it, for all of them."""

import asyncio
from collections.abc import Callable
from time import time

from workitems import feed, keys
from workitems.ageing import closed_items, expire_raw, index_closed
from workitems.errors import StoreUnavailableError
from workitems.lease import Lease
from workitems.log import get_logger
from workitems.mailstore import MailStore
from workitems.redis import Client, available
from workitems.removal import Removal
from workitems.rewriting import rewrite
from workitems.settings import RetentionSettings
from workitems.tasks import not_cancelled

log = get_logger("retention")

#: Seconds between two looks at what is under way, between two sweeps, and from one rewrite of the append-only file, or
#: one walk through all raw mail, to the next.
LOOK, HOUR, DAY = 20.0, 3600.0, 86400.0

#: Seconds between two batches: it is never in a hurry.
PAUSE = 0.02

#: Seconds after which another worker goes on when this one is gone.
LEASE = 120.0

#: The lease's name; no mailbox can be called so.
NAME = "sweep.retention"


class Retention:
    """*clock* tells seconds since 1970."""

    def __init__(
        self,
        redis: Client,
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
        self._lease = Lease(redis, NAME, worker, seconds=LEASE)
        self._clock = clock
        self._swept = float("-inf")

    async def run(self) -> None:
        """Sweep until cancelled."""
        while not_cancelled():
            try:
                await self.step()
            except StoreUnavailableError as error:
                log.debug("retention waits", reason=str(error))
            except Exception:
                log.exception("retention failed")
            await asyncio.sleep(LOOK)

    async def step(self) -> bool:
        """Finish removals, and once an hour look for more; False when another worker does that."""
        if await self._lease.take():
            return False
        while await self._removal.finish_all(now=self._clock()):
            await self._pause()
        if self._clock() - self._swept >= HOUR:
            self._swept = self._clock()
            await self._sweep()
        return True

    async def _sweep(self) -> None:
        if self._settings.keep_days:
            await self._remove_closed(self._clock() - self._settings.keep_days * DAY)
        if self._settings.keep_raw_days and await self._is_due("raws"):
            await self._expire_raw(self._clock() - self._settings.keep_raw_days * DAY)
        await feed.forget_erased(self._redis)
        await self._rewrite()

    async def _remove_closed(self, before: float) -> None:
        await index_closed(self._redis)
        why = f"kept for {self._settings.keep_days:g} days"
        count = 0
        async for batch in closed_items(self._redis, before):
            removed = [
                item_id for item_id in batch
                if await self._removal.remove(item_id, who="retention", why=why, closed_by=before)
            ]  # fmt: skip
            await self._removal.bury(removed)  # the rest has time: `finish_all`
            count += len(removed)
            await self._pause()
        if count:
            log.info("items were removed, as long after they were closed as the settings say", items=count)

    async def _expire_raw(self, before: float) -> None:
        count = 0
        for shard in await self._mailstore.shards():
            count += await expire_raw(self._redis, shard, before)
            await self._pause()
        await self._done("raws")
        if count:
            log.info("raw mail was removed, as long after it came as the settings say", mails=count)

    async def _rewrite(self) -> None:
        """Once a day at most, when something was removed and nothing of it is left to be taken away."""
        with available():
            removed = await self._redis.hexists(keys.RETENTION, "removed")
            under_way = await self._redis.zcard(keys.REMOVING)
        if not removed or under_way or not await self._is_due("rewritten"):
            return
        await self._done("rewritten")
        rewriting = await rewrite(self._redis, seconds=0)
        log.info("the append-only file", told=rewriting.told)

    async def _is_due(self, what: str) -> bool:
        with available():
            last = await self._redis.hget(keys.RETENTION, what)
        return self._clock() - int(last or 0) / 1000 >= DAY

    async def _done(self, what: str) -> None:
        with available():
            await self._redis.hset(keys.RETENTION, what, int(self._clock() * 1000))

    async def _pause(self) -> None:
        """Let others have Redis and the disk, and keep the lease."""
        await asyncio.sleep(PAUSE)
        if await self._lease.take():
            raise StoreUnavailableError("another worker goes on with it")

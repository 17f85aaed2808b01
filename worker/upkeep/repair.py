"""Puts stored mail again whose intake entry or item was lost, and completes the indexes of the items.

That is checked at the start, after each restart of Redis, and once Redis deletes no keys any more to free memory.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from workitems.base import keys
from workitems.base.errors import NotFoundError
from workitems.base.log import get_logger
from workitems.base.redis import RedisClient, translating_errors
from workitems.base.service_loop import run_service_loop
from workitems.feed.feed import count_lost_events, leave_gap
from workitems.intake.put import Intake
from workitems.intake.repair import put_lost_mail, read_repaired, relink_items, repair_mark
from workitems.queue.reindex import reindex

log = get_logger("repair")

#: Seconds between two checks whether Redis was restarted.
CHECK_SECONDS = 2.0

#: Seconds of pause after each folder of the mail store, so that other work gets time.
PAUSE = 0.005

#: Seconds that a put may take. At the start, newer mail in the store may belong to a put that is not finished yet.
MAX_PUT_SECONDS = 30.0

#: Seconds from one repair after evictions to the next: a `volatile-` policy, which deletes no items, evicts on and on.
EVICTION_PAUSE_SECONDS = 300.0


class Repairer:
    """Repairs for one worker. Several workers may do it at once, since a second put changes nothing."""

    def __init__(
        self,
        redis: RedisClient,
        intake: Intake,
        restore: Callable[[], Awaitable[None]] | None = None,
        *,
        count_evictions: Callable[[], Awaitable[int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*restore* repeats removals of items that Redis has lost.

        *count_evictions* returns how many keys Redis has deleted to free memory (`RedisWatch`).
        """
        self._redis = redis
        self._restore = restore
        self._count_evictions = count_evictions
        self._intake = intake
        self._clock = clock
        self._started = False
        #: The mark for which indexes are complete, while a full intake still delays the rest of that repair.
        self._completed = ""
        #: The mark of the last repair of any worker, and when this one saw it first.
        self._repaired, self._repaired_at = "", float("-inf")

    async def run(self) -> None:
        """Repair when necessary, until cancelled."""
        await run_service_loop(
            self._repair, seconds=CHECK_SECONDS, waits="repair waits", failed="repair failed", log=log
        )

    async def _repair(self) -> None:
        try:
            await self.repair_once()
        except NotFoundError as error:  # the mail store's folder is missing: its disk may come back
            log.debug("repair waits", reason=str(error))

    async def repair_once(self) -> bool:
        """Compare the whole mail store with Redis, if necessary. Return False if it is not."""
        mark = await repair_mark(self._redis, await self._count_evictions() if self._count_evictions else 0)
        self._note_repaired(await read_repaired(self._redis))
        if self._started and not self._is_due(mark):
            return False
        may_have_lost = mark != self._repaired
        await self._intake.reconcile(again=may_have_lost)
        if self._restore is not None:
            await self._restore()
        # Before mail is read again, which joins the submissions that are there.
        if may_have_lost and self._completed != mark:
            await self._complete_indexes()
            self._completed = mark
        # After a restart, Redis may have lost old puts and also the newest ones.
        await self._put_lost_mail(older_than=0.0 if may_have_lost else MAX_PUT_SECONDS)
        if not may_have_lost:
            await reindex(self._redis)  # an older program may have left something out
        with translating_errors():
            await self._redis.set(keys.REPAIRED, mark)
        self._note_repaired(mark)
        self._started, self._completed = True, ""
        return True

    def _note_repaired(self, mark: str) -> None:
        if mark != self._repaired:
            self._repaired, self._repaired_at = mark, self._clock()

    def _is_due(self, mark: str) -> bool:
        (run, _, evicted), (last_run, _, last_evicted) = mark.partition(" "), self._repaired.partition(" ")
        if run != last_run:
            return True
        if not evicted or evicted == last_evicted:  # without a number: none was evicted, or it deletes items just now
            return False
        return not last_evicted or self._clock() - self._repaired_at >= EVICTION_PAUSE_SECONDS

    async def _complete_indexes(self) -> None:
        changed = await reindex(self._redis)
        async for count in relink_items(self._intake):
            changed += count
            await asyncio.sleep(PAUSE)
        lost = await count_lost_events(self._redis)
        if changed or lost:
            # What was listed meanwhile was not complete: each client gets a `reset` and loads the list again.
            await leave_gap(self._redis)
            log.warning("Redis had lost indexes or events", entries=changed, events=lost)

    async def _put_lost_mail(self, *, older_than: float) -> None:
        put = 0
        async for count in put_lost_mail(self._intake, older_than=older_than):
            put += count
            await asyncio.sleep(PAUSE)
        if put:
            log.warning("stored mail was put again", mails=put)

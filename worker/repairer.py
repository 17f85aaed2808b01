"""Puts stored mail again whose waiting entry or item was lost: once at the start, and whenever Redis started anew."""

import asyncio
from collections.abc import Awaitable, Callable

from workitems import keys
from workitems.errors import IntakeFullError, NotFoundError, StoreUnavailableError
from workitems.intake import Intake
from workitems.log import get_logger
from workitems.redis import Client, available, run_id
from workitems.tasks import not_cancelled

log = get_logger("repair")

#: Seconds between two looks at which Redis this is.
LOOK = 2.0

#: Seconds between two folders of the mail store: repair is never in a hurry.
PAUSE = 0.005

#: Seconds that a put may take: at the start, mail stored since then may be one that is under way.
UNDER_WAY = 30.0


class Repairer:
    """One worker's; several do no harm to each other, since putting twice changes nothing."""

    def __init__(self, redis: Client, intake: Intake, restore: Callable[[], Awaitable[None]] | None = None) -> None:
        """*restore* removes again what Redis has forgotten to be removed."""
        self._redis = redis
        self._restore = restore
        self._intake = intake
        self._started = False

    async def run(self) -> None:
        """Look after the mail store until cancelled."""
        while not_cancelled():
            try:
                await self.repair_once()
            except (StoreUnavailableError, IntakeFullError, NotFoundError) as error:
                log.debug("repair waits", reason=str(error))
            except Exception:
                log.exception("repair failed")
            await asyncio.sleep(LOOK)

    async def repair_once(self) -> bool:
        """Compare the whole mail store with Redis when there is a reason to; False when there is none."""
        run = await run_id(self._redis)
        with available():
            repaired = (await self._redis.get(keys.REPAIRED) or b"").decode()
        if self._started and repaired == run:
            return False
        # A Redis that started anew may have lost what was put long ago and what was put just now.
        older_than = UNDER_WAY if repaired == run else 0.0
        await self._intake.settle()
        if self._restore is not None:
            await self._restore()
        count = 0
        async for lost in self._intake.repair(older_than=older_than):
            count += lost
            await asyncio.sleep(PAUSE)
        with available():
            await self._redis.set(keys.REPAIRED, run)
        self._started = True
        if count:
            log.warning("stored mail was put again", mails=count)
        return True

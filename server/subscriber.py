"""The one Redis reader of this process: from the feed into the hub, for ever, whatever happens to Redis."""

import asyncio
from time import monotonic, time

from server.hub import Hub
from workitems import feed
from workitems.backoff import delay
from workitems.errors import StoreUnavailableError
from workitems.event import Cursor, removed, without
from workitems.log import get_logger
from workitems.redis import Client
from workitems.tasks import not_cancelled

log = get_logger("subscriber")

#: Seconds from one read that brought events to the next: those that come in crowds cost a read and a send a stream
#: together, and one that comes alone waits for nobody.
REST = 0.004


class Subscriber:
    """Follows the feed with an explicit cursor and proves on every read that nothing is missing."""

    def __init__(self, hub: Hub, redis: Client, blocking: Client) -> None:
        self._hub = hub
        self._redis = redis
        self._blocking = blocking
        self.available = False
        #: Seconds between the publishing of the newest event and its arrival here.
        self.lag = 0.0
        self.restarts = 0

    async def run(self) -> None:
        """Read for ever. A failed round ends in a wait that grows; only a round that worked starts it anew."""
        failures = 0
        while True:
            try:
                await self._regain()
                while not_cancelled():
                    begun = monotonic()
                    if await self.step():
                        await asyncio.sleep(max(0.0, REST - (monotonic() - begun)))
                    failures = 0
            except StoreUnavailableError as error:
                await self._lost(error)
            await asyncio.sleep(delay(failures, cap=5.0))
            failures += 1

    async def step(self) -> bool:
        """One read. True when it brought events."""
        before = self._hub.ring.head
        events = await feed.follow(self._blocking, before)
        if not events:
            # XREAD says nothing about a feed that was emptied or cut under us; its head does.
            await self._compare()
            return False
        last = before
        for event in events:
            if not event.follows(last):  # XREAD passes over a trimmed gap in silence
                await self._restart("trimmed")
                return True
            last = event.cursor
        self.lag = max(0.0, time() - events[-1].at / 1000)
        await self._hub.publish(events)
        return True

    async def _regain(self) -> None:
        """Redis answers: go on where we stood, or say that it came back with less."""
        if not self._hub.ready.is_set():
            await self._fill()
            self._hub.ready.set()
        else:
            await self._compare()
        if not self.available:
            self.available = True
            log.info("Redis answers", head=str(self._hub.ring.head))
            if self.restarts:
                await self._hub.state("store_status", {"available": True}, usual=True)

    async def _lost(self, error: StoreUnavailableError) -> None:
        if self.available or not self.restarts:
            log.warning("Redis does not answer; streams stay open", reason=str(error))
            await self._hub.state("store_status", {"available": False})
        self.available = False
        self.restarts += 1

    async def _fill(self) -> None:
        """At the start: the newest events, so that those who come back after our restart cost Redis nothing."""
        events = await feed.newest(self._redis, self._hub.settings.replay)
        head = await feed.head(self._redis)
        if events and events[-1].cursor == head:
            first = events[0]
            self._hub.ring.restart(first.prev or Cursor(first.cursor.epoch, first.cursor.n - 1))
            self._hub.ring.extend(without(events, removed(events)))
        else:
            self._hub.ring.restart(head)

    async def _compare(self) -> None:
        """Whether our place in the feed still exists."""
        reason = await feed.continuity(self._redis, self._hub.ring.head)
        if reason is not None:
            await self._restart(reason)

    async def _restart(self, reason: str) -> None:
        head = await feed.head(self._redis)
        log.warning(
            "events are missing; every stream loads anew", reason=reason, had=str(self._hub.ring.head), head=str(head)
        )
        await self._hub.reset(reason, head)

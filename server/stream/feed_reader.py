"""Reads the feed of Redis into the hub: one task in each process, which survives every failure of Redis."""

import asyncio
from time import monotonic, time

from server.stream.hub import Hub
from workitems.base.backoff import delay
from workitems.base.errors import StoreCommandError, StoreError
from workitems.base.log import get_logger
from workitems.base.redis import RedisClient
from workitems.base.tasks import not_cancelled
from workitems.feed import feed
from workitems.feed.event import Cursor, blank_events_of, removed_items
from workitems.status.probe import PROBE_SECONDS, probe

log = get_logger("feed_reader")

#: Seconds between the starts of two reads that returned events: many events at once share one read, and one send for
#: each stream, while a single event never waits.
MIN_READ_INTERVAL_SECONDS = 0.004


class FeedReader:
    """Follows the feed by a cursor, and checks at every read that no event is missing."""

    def __init__(self, hub: Hub, redis: RedisClient, blocking: RedisClient) -> None:
        self._hub = hub
        self._redis = redis
        self._blocking = blocking
        #: Whether Redis takes our writes: a replica can be read, but is not available. `reason` says why it is not.
        self.is_available = False
        self.reason = ""
        self._next_probe = 0.0
        #: Seconds from the publishing of the newest event until it was read here.
        self.feed_lag = 0.0
        self.restarts = 0

    async def run(self) -> None:
        """Read again and again. After a failure, wait with a back-off; only a successful read resets it."""
        failures = 0
        while True:
            try:
                await self._reconnect()
                while not_cancelled():
                    begun = monotonic()
                    if begun >= self._next_probe:
                        await self._probe()
                    if await self.read_once():
                        await asyncio.sleep(max(0.0, MIN_READ_INTERVAL_SECONDS - (monotonic() - begun)))
                    failures = 0
            except StoreError as error:
                await self._on_unavailable(error)
            await asyncio.sleep(delay(failures, cap=5.0))
            failures += 1

    async def read_once(self) -> bool:
        """Read once. True when there were events."""
        before = self._hub.replay_buffer.head
        events = await feed.wait_for_events(self._blocking, before)
        if not events:
            # XREAD does not show that a feed was emptied or trimmed behind our cursor; its head does.
            await self._probe()
            await self._check_cursor()
            return False
        last = before
        for event in events:
            if not event.follows(last):  # XREAD skips a trimmed gap without an error
                await self._restart("trimmed")
                return True
            last = event.cursor
        if published := max(event.published_at_ms for event in events):  # 0: unknown, it could not be decoded
            self.feed_lag = max(0.0, time() - published / 1000)
        await self._hub.fan_out(events)
        return True

    async def _reconnect(self) -> None:
        """Continue at our cursor after Redis answered again, or reset all streams if it lost events."""
        if not self._hub.ready.is_set():
            await self._fill()
            self._hub.ready.set()
            await self._probe()
        else:
            await self._probe()  # first: a replica that is behind does not have our cursor yet
            await self._check_cursor()
        if not self.is_available:
            self.is_available, self.reason = True, ""
            log.info("Redis answers", head=str(self._hub.replay_buffer.head))
            if self.restarts:
                await self._hub.publish_state("store_status", {"available": True}, is_default=True)

    async def _probe(self) -> None:
        """Make sure that both connections lead to a Redis that takes writes."""
        for client in (self._redis, self._blocking):
            await probe(client)
        self._next_probe = monotonic() + PROBE_SECONDS

    async def _on_unavailable(self, error: StoreError) -> None:
        if str(error) != self.reason:
            self.is_available, self.reason = False, str(error)
            is_fault = isinstance(error, StoreCommandError)
            log.warning("Redis is not available; streams stay open", reason=self.reason, exc_info=is_fault)
            await self._hub.publish_state("store_status", {"available": False, "reason": self.reason})
        self.restarts += 1

    async def _fill(self) -> None:
        """Load the newest events at the start, so that clients that return after our restart cost Redis nothing."""
        events = await feed.read_newest(self._redis, self._hub.settings.max_replay_events)
        head = await feed.head(self._redis)
        if events and events[-1].cursor == head:
            gaps = [n for n in range(1, len(events)) if not events[n].follows(events[n - 1].cursor)]
            events = events[gaps[-1] :] if gaps else events
            first = events[0]
            self._hub.replay_buffer.restart(first.previous_epoch_end or Cursor(first.cursor.epoch, first.cursor.n - 1))
            self._hub.replay_buffer.extend(blank_events_of(events, removed_items(events)))
        else:
            self._hub.replay_buffer.restart(head)

    async def _check_cursor(self) -> None:
        """Reset all streams if our cursor is no longer in the feed."""
        reason = await feed.check_continuity(self._redis, self._hub.replay_buffer.head)
        if reason is not None:
            await self._restart(reason)

    async def _restart(self, reason: str) -> None:
        head = await feed.head(self._redis)
        log.warning(
            "events are missing; every stream is reset",
            reason=reason,
            had=str(self._hub.replay_buffer.head),
            head=str(head),
        )
        await self._hub.reset(reason, head)

"""Opens streams: sends a returning client the events that it missed, from memory or else from Redis, or `reset`.

A replay is never partial: a stream gets every event after its cursor, or `reset`, after which it loads the list.
"""

import asyncio
import random
from secrets import token_urlsafe

from server.stream import sse
from server.stream.connection import Stream
from server.stream.hub import Hub
from workitems.base.errors import StoreUnavailableError
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import Cursor, Event

#: Events, and bytes of them, that are written before we wait for the client.
_PAGE, _PAGE_BYTES = 64, 64 * 1024

#: Seconds that a cursor may be ahead of the feed reader of this process before the client is asked to come back.
_MAX_LAG_SECONDS = 5.0


class StreamOpener:
    """Opens streams on a hub. *redis* has the events that are no longer in memory."""

    def __init__(self, hub: Hub, redis: RedisClient) -> None:
        self._hub = hub
        self._redis = redis

    async def open(self, stream: Stream, last_event_id: str | None) -> None:
        """Send the first messages and all events after *last_event_id* (None: from now on), then join the hub."""
        self._hub.register(stream)
        await self._hub.fan_out_lock.wait_unlocked()
        if last_event_id is None:
            self._greet(stream, self._hub.replay_buffer.head, resumed=False, replay=0)
            self._hub.join(stream)
            return
        cursor = Cursor.parse(last_event_id)
        try:
            behind = "unknown" if cursor is None else await self._count_missed(cursor)
        except StoreUnavailableError:
            self._busy(stream)
            return
        if cursor is None or isinstance(behind, str):
            await self._reset(stream, str(behind))
            return
        self._greet(stream, cursor, resumed=True, replay=behind)
        await self._replay(stream, cursor, behind)

    async def _count_missed(self, cursor: Cursor) -> int | str:
        """Return how many events follow *cursor*, or why the stream cannot continue from it."""
        buffer, limit = self._hub.replay_buffer, self._hub.settings.max_replay_events
        behind = buffer.count_after(cursor)
        if behind is not None:
            return behind
        # Not in memory: the cursor is older, ahead of our feed reader, or of another epoch. Only Redis knows.
        reason = await feed.check_continuity(self._redis, cursor)
        if reason is not None:
            return reason
        if (
            cursor.epoch == buffer.head.epoch and buffer.head.n - cursor.n > limit
        ):  # numbers are dense: no need to count
            return "too_far"
        behind = len(await feed.read_events(self._redis, cursor, count=limit + 1))
        return behind if behind <= limit else "too_far"

    async def _replay(self, stream: Stream, cursor: Cursor, behind: int) -> None:
        """Write the events after *cursor* page by page. The last page and joining are one step without an await.

        Where a filter or a removal left out some of the *behind* events, a heartbeat shows the client that it has all.
        """
        self._hub.counts["resumed"] += 1
        clock = asyncio.get_running_loop().time
        waited = clock()
        while self._hub.deadlines.enforce(stream, clock()):  # a replay does not extend the greatest age of a stream
            await self._hub.fan_out_lock.wait_unlocked()
            rest = self._hub.replay_buffer.events_after(cursor, _PAGE + 1)
            if rest is not None and len(page := _page(rest)) == len(rest):
                behind -= self._write(stream, page)
                if behind > 0:
                    stream.write(self._hub.deadlines.heartbeat_frame(clock(), chunked=stream.is_chunked))
                self._hub.join(stream)
                return
            if rest is None:
                page = _page(await self._from_redis(cursor))
            if page:
                if not _follow(cursor, page):  # trimmed, or lost by Redis, since the count
                    await self._reset(stream, "trimmed", greeted=True)
                    return
                behind -= self._write(stream, page)
                cursor, waited = page[-1].cursor, clock()
                await asyncio.sleep(0)  # a page from memory does not wait, and other clients come back, too
            elif clock() > waited + _MAX_LAG_SECONDS:
                self._busy(stream)
                return
            else:
                await asyncio.sleep(0.02)
            if not await stream.wait_drained(self._hub.settings.stall_seconds):
                stream.abort("slow")

    async def _from_redis(self, cursor: Cursor) -> list[Event]:
        try:
            return await feed.read_events(self._redis, cursor, count=_PAGE)
        except StoreUnavailableError:
            return []

    def _write(self, stream: Stream, events: list[Event]) -> int:
        """Write the events that its filter wants. Return how many were certainly sent."""
        payload = stream.filter.select_all(events)
        self._hub.counts["replayed"] += len(events)
        if payload:
            stream.write(stream.encode_payload(payload))
        return sum(1 for event in events if event.data) if stream.filter == sse.UNFILTERED else 0

    async def _reset(self, stream: Stream, reason: str, *, greeted: bool = False) -> None:
        await self._hub.fan_out_lock.wait_unlocked()
        head = self._hub.replay_buffer.head
        self._hub.counts[f"reset_{reason}"] += 1
        if not greeted:
            # Without an id: a client that loses its connection before `reset` must ask with its own cursor again.
            self._greet(stream, None, resumed=False, replay=0)
        stream.write(stream.encode_payload(sse.encode_notice("reset", cursor=head, reason=reason, head=str(head))))
        self._hub.join(stream)

    def _greet(self, stream: Stream, start: Cursor | None, *, resumed: bool, replay: int) -> None:
        settings = self._hub.settings
        greeting = sse.encode_connected(
            stream.id,
            start,
            self._hub.replay_buffer.head,
            resumed=resumed,
            replay=replay,
            heartbeat=settings.heartbeat_seconds,
            max_age=round(stream.rotate_at - stream.opened_at) if settings.max_age_seconds else 0,
        )
        stream.write(stream.encode_payload(sse.encode_retry(random.randint(1_000, 5_000)) + sse.PADDING + greeting))

    def _busy(self, stream: Stream) -> None:
        """End the stream with `busy`: we cannot replay now. The client keeps its cursor and comes back."""
        stream.write(stream.encode_payload(sse.encode_retry(random.randint(2_000, 8_000)) + sse.encode_notice("busy")))
        stream.finish("busy")


def _page(events: list[Event]) -> list[Event]:
    """Return the first of *events*, as many as are written at once; at least one."""
    size = 0
    for number, event in enumerate(events):
        size += len(event.data)
        if number and (number >= _PAGE or size > _PAGE_BYTES):
            return events[:number]
    return events


def _follow(cursor: Cursor, events: list[Event]) -> bool:
    """Whether *events* follow *cursor* and each other without a gap."""
    before = [cursor, *(event.cursor for event in events)]
    return all(event.follows(previous) for previous, event in zip(before, events, strict=False))


def new_connection_id() -> str:
    """Make the name of a connection in the log."""
    return token_urlsafe(6)

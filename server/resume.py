"""Bringing a returning stream up to now: from memory, else from Redis, else by saying that it must load anew.

Never a partial replay and never silence: a stream is told all that followed its cursor, or `reset`.
"""

import asyncio
import random
from secrets import token_urlsafe

from server import sse
from server.connection import Stream
from server.hub import Hub
from workitems import feed
from workitems.errors import StoreUnavailableError
from workitems.event import Cursor, Event
from workitems.log import get_logger
from workitems.redis import Client

log = get_logger("resume")

#: Events, and bytes of them, that are written before the reader is waited for.
_PAGE, _PAGE_BYTES = 64, 64 * 1024

#: Seconds that a cursor may be ahead of this process's reader before its owner is asked to come back.
_LAG = 5.0


class Resume:
    """Opens streams on a hub. `redis` answers what memory cannot."""

    def __init__(self, hub: Hub, redis: Client) -> None:
        self._hub = hub
        self._redis = redis

    async def open(self, stream: Stream, wanted: str | None) -> None:
        """Send the first messages and everything after the cursor *wanted* (None: from now), then join the hub."""
        self._hub.start(stream)
        await self._hub.turn.free()
        if wanted is None:
            self._greet(stream, self._hub.ring.head, resumed=False, replay=0)
            self._hub.join(stream)
            return
        cursor = Cursor.parse(wanted)
        try:
            behind = "unknown" if cursor is None else await self._look(cursor)
        except StoreUnavailableError:
            self._busy(stream)
            return
        if cursor is None or isinstance(behind, str):
            await self._reset(stream, str(behind))
            return
        self._greet(stream, cursor, resumed=True, replay=behind)
        await self._replay(stream, cursor, behind)

    async def _look(self, cursor: Cursor) -> int | str:
        """How many events follow *cursor*, or why it cannot be gone on from."""
        ring, most = self._hub.ring, self._hub.settings.replay
        behind = ring.behind(cursor)
        if behind is not None:
            return behind
        # Not in memory: older than it, ahead of our reader, or of another life of Redis. Only Redis knows.
        reason = await feed.continuity(self._redis, cursor)
        if reason is not None:
            return reason
        if cursor.epoch == ring.head.epoch and ring.head.n - cursor.n > most:  # numbers are dense: no need to count
            return "too_far"
        behind = len(await feed.between(self._redis, cursor, count=most + 1))
        return behind if behind <= most else "too_far"

    async def _replay(self, stream: Stream, cursor: Cursor, behind: int) -> None:
        """Write what follows *cursor* page by page; the last page and joining are one step without an await.

        Where not all of the *behind* events may have been told, a heartbeat says that they are over.
        """
        self._hub.counts["resumed"] += 1
        clock = asyncio.get_running_loop().time
        waited = clock()
        while not self._is_over(stream, clock()):
            await self._hub.turn.free()
            rest = self._hub.ring.after(cursor, _PAGE + 1)
            if rest is not None and len(page := _page(rest)) == len(rest):
                behind -= self._write(stream, page)
                if behind > 0:
                    stream.write(self._hub.heartbeat(clock(), chunked=stream.chunked))
                self._hub.join(stream)
                return
            if rest is None:
                page = _page(await self._from_redis(cursor))
            if page:
                if not _follow(cursor, page):  # trimmed, or lost with Redis, since we looked
                    await self._reset(stream, "trimmed", greeted=True)
                    return
                behind -= self._write(stream, page)
                cursor, waited = page[-1].cursor, clock()
                await asyncio.sleep(0)  # a page from memory waits for nobody, and others have come back, too
            elif clock() > waited + _LAG:
                self._busy(stream)
                return
            else:
                await asyncio.sleep(0.02)
            if not await stream.drained(self._hub.settings.stall):
                stream.abort("slow")

    def _is_over(self, stream: Stream, now: float) -> bool:
        """A stream has its greatest age also while it is told what it missed; its client goes on where it stood."""
        if now >= stream.rotate_at:
            self._hub.rotate(stream)
        if stream.rotating and now >= stream.end_at:
            stream.finish("rotate")
        return stream.closed

    async def _from_redis(self, cursor: Cursor) -> list[Event]:
        try:
            return await feed.between(self._redis, cursor, count=_PAGE)
        except StoreUnavailableError:
            return []

    def _write(self, stream: Stream, events: list[Event]) -> int:
        """Write what its filter wants; says how many are certain to have been told."""
        payload = stream.filter.frames(events)
        self._hub.counts["replayed"] += len(events)
        if payload:
            stream.write(stream.frame(payload))
        return sum(1 for event in events if event.data) if stream.filter == sse.EVERYTHING else 0

    async def _reset(self, stream: Stream, reason: str, *, greeted: bool = False) -> None:
        await self._hub.turn.free()
        head = self._hub.ring.head
        self._hub.counts[f"reset_{reason}"] += 1
        if not greeted:
            # Without an id: who is cut off before `reset` comes must ask with its own cursor again.
            self._greet(stream, None, resumed=False, replay=0)
        stream.write(stream.frame(sse.notice("reset", cursor=head, reason=reason, head=str(head))))
        self._hub.join(stream)

    def _greet(self, stream: Stream, start: Cursor | None, *, resumed: bool, replay: int) -> None:
        settings = self._hub.settings
        greeting = sse.connected(
            stream.id,
            start,
            self._hub.ring.head,
            resumed=resumed,
            replay=replay,
            heartbeat=settings.heartbeat,
            max_age=round(stream.rotate_at - stream.opened_at) if settings.max_age else 0,
        )
        stream.write(stream.frame(sse.retry(random.randint(1_000, 5_000)) + sse.PADDING + greeting))

    def _busy(self, stream: Stream) -> None:
        """Nothing can be promised now: the client keeps its cursor and comes back."""
        stream.write(stream.frame(sse.retry(random.randint(2_000, 8_000)) + sse.notice("busy")))
        stream.finish("busy")


def _page(events: list[Event]) -> list[Event]:
    """The first of *events*: as many as are written at once, one at least."""
    size = 0
    for number, event in enumerate(events):
        size += len(event.data)
        if number and (number >= _PAGE or size > _PAGE_BYTES):
            return events[:number]
    return events


def _follow(cursor: Cursor, events: list[Event]) -> bool:
    """Whether *events* come directly after *cursor* and one another."""
    before = [cursor, *(event.cursor for event in events)]
    return all(event.follows(place) for place, event in zip(before, events, strict=False))


def new_id() -> str:
    """A connection's name in logs."""
    return token_urlsafe(6)

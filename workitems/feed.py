"""Reading the feed: the head, what came after a cursor, and whether a cursor can still be gone on from.

The events of an item that is removed are erased. Who reads on over them misses nothing: see `_bridged`.
"""

import asyncio
import secrets
from collections.abc import Collection
from dataclasses import replace
from time import monotonic

from redis.exceptions import ResponseError

from workitems import keys
from workitems.errors import StoreUnavailableError
from workitems.event import START, Cursor, Event
from workitems.redis import BLOCK, Argument, Client, Script, available

_erase = Script("feed.lua", "erase.lua")

#: Events that one read brings at most.
BATCH = 500

#: Events that one step of erasing looks through; it copies them, and Redis does nothing else meanwhile.
_STRETCH = 250

#: Seconds to wait for another process that erases.
_PATIENCE = 20.0

#: Erased events in a row that are read over; who has to go over more loads the list anew.
_WIDEST = 20_000


async def head(redis: Client) -> Cursor:
    """The last cursor that the feed ever gave; START when there is no feed."""
    with available():
        try:  # in one step: Redis may be emptied between two
            info = await redis.xinfo_stream(keys.FEED)
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return START
    return Cursor.parse(info["last-generated-id"]) or START


async def follow(redis: Client, after: Cursor, *, seconds: float = BLOCK) -> list[Event]:
    """Events after *after*, waiting up to *seconds* for one, with a blocking client. Never `$`: it loses events."""
    with available():
        found = await redis.xread({keys.FEED: str(after)}, count=BATCH, block=max(1, int(seconds * 1000)))
    events = [Event.decode(*entry) for _, entries in found or [] for entry in entries]
    return await _bridged(redis, after, events)


async def between(redis: Client, after: Cursor, last: Cursor | None = None, *, count: int = BATCH) -> list[Event]:
    """Up to *count* events after *after*, up to and with *last*."""
    with available():
        entries = await redis.xrange(keys.FEED, min=f"({after}", max=str(last) if last else "+", count=count)
    return await _bridged(redis, after, [Event.decode(*entry) for entry in entries])


async def newest(redis: Client, count: int) -> list[Event]:
    """The newest *count* events, oldest first."""
    with available():
        entries = await redis.xrevrange(keys.FEED, count=count)
    return await _bridged(redis, None, [Event.decode(*entry) for entry in reversed(entries)])


async def continuity(redis: Client, cursor: Cursor) -> str | None:
    """None when every event after *cursor* is still there, else why not: `trimmed`, `epoch` or `unknown`.

    A cursor holds when its own event exists (ids are never given twice), when the oldest event that is kept directly
    follows it, or when it is START and there is none. Erased events count as those that are there.
    """
    with available():
        entries = await redis.xrange(keys.FEED, min=str(cursor), max=str(cursor), count=1)
        if entries:
            return None
        oldest = await redis.xrange(keys.FEED, count=1)
        erased = await redis.hexists(keys.FEED_ERASED, str(cursor))
    if not oldest:
        return None if cursor == START else "epoch"
    first = Event.decode(*oldest[0])
    if first.cursor < cursor and erased:
        return None
    (first,) = await _bridged(redis, cursor, [first])
    return None if first.follows(cursor) else _explain(cursor, first.cursor, await head(redis))


async def erase(redis: Client, items: Collection[str]) -> int:
    """Take the events of removed *items* out of the feed, but not those of their removal; says how many they were.

    Raises StoreUnavailableError when another process does the same for too long; the rest is to be done later.
    """
    return await _pass(redis, "copy", items) if await _pass(redis, "look", items) else 0


async def _pass(redis: Client, verb: str, items: Collection[str]) -> int:
    """Go through the whole feed, looking for events of *items* or copying all others."""
    token, after, count = secrets.token_hex(8), "0-0", 0
    deadline = monotonic() + _PATIENCE
    begun = verb == "look"
    while after:
        arguments: list[Argument] = [verb if begun else "begin", token, after, _STRETCH, *items]
        answer = await _erase(redis, keys.FEED, arguments)
        if answer[0] != b"busy":
            begun, after, count = True, answer[0].decode(), count + int(answer[1])
        elif begun or monotonic() > deadline:
            raise StoreUnavailableError("events are being erased by another process")
        else:
            await asyncio.sleep(0.05)
    return count


async def forget_erased(redis: Client) -> int:
    """Forget the erased cursors that no stream can come back with any more; says how many they were."""
    with available():
        oldest = await redis.xrange(keys.FEED, count=1)
        known = {Cursor.parse(place): prev async for place, prev in redis.hscan_iter(keys.FEED_ERASED, count=1000)}
    if not oldest:
        return 0
    first = Event.decode(*oldest[0])
    at = first.prev if first.cursor.n == 1 else _before(first.cursor)
    while at is not None and at in known:  # those right before the oldest event still lead to it
        prev = known.pop(at)
        at = Cursor.parse(prev) if at.n == 1 else _before(at)
    stale = [str(place) for place in known if place and place < first.cursor]
    with available():
        for start in range(0, len(stale), BATCH):
            await redis.hdel(keys.FEED_ERASED, *stale[start : start + BATCH])
    return len(stale)


async def _bridged(redis: Client, after: Cursor | None, events: list[Event]) -> list[Event]:
    """*events*, with `over` set on each before which everything that is missing was erased."""
    before = after
    for n, event in enumerate(events):
        if before is not None and not event.follows(before) and await _only_erased(redis, before, event):
            events[n] = replace(event, over=before)
        before = event.cursor
    return events


async def _only_erased(redis: Client, before: Cursor, event: Event) -> bool:
    """Whether every event between *before* and *event* was erased: from there back, a stretch at a time."""
    at = event.prev if event.cursor.n == 1 else _before(event.cursor)
    stretch, steps = 1, 0  # most gaps are not ours, and the first place tells
    while at is not None and at > before and steps < _WIDEST:
        lowest = max(1, at.n - stretch + 1, before.n + 1 if before.epoch == at.epoch else 1)
        with available():
            prevs = await redis.hmget(keys.FEED_ERASED, [f"{at.epoch}-{n}" for n in range(at.n, lowest - 1, -1)])
        if None in prevs:
            return False
        steps += len(prevs)
        at = Cursor.parse(prevs[-1]) if lowest == 1 else Cursor(at.epoch, lowest - 1)
        stretch = BATCH
    return at == before


def _before(cursor: Cursor) -> Cursor:
    """The place right before one that is not the first of its epoch."""
    return Cursor(cursor.epoch, cursor.n - 1)


def _explain(cursor: Cursor, first: Cursor, last: Cursor) -> str:
    """Why a cursor whose own event is not kept cannot be gone on from."""
    if cursor < first:
        return "trimmed"
    return "unknown" if cursor.epoch >= last.epoch else "epoch"

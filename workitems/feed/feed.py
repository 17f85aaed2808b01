"""Reading the feed: its head, the events after a cursor, and whether a client can resume from a cursor.

The event of a removed item is erased, and its entry stays: a reader gets a blank event in its place and sees no gap.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from redis.exceptions import ResponseError

from workitems.base import keys
from workitems.base.errors import DecodeError
from workitems.base.redis import BLOCK_SECONDS, RedisClient, Script, translating_errors
from workitems.feed.event import START_CURSOR, Cursor, Event
from workitems.feed.undecodable import undecodable

_get_events = Script("feed/feed.lua", "feed/events.lua")
_lost = Script("feed/feed.lua", "feed/lost.lua")
_gap = Script("feed/feed.lua", "feed/gap.lua")
_run_id = Script("feed/feed.lua", "feed/run_id.lua")

#: The id of an entry and its fields.
Entry = tuple[bytes, dict[bytes, bytes]]

#: Events that one read returns at most.
BATCH = 500


async def head(redis: RedisClient) -> Cursor:
    """Return the last cursor that the feed ever gave; START when there is no feed."""
    with translating_errors():
        try:  # in one step: Redis may be emptied between two commands
            info = await redis.xinfo_stream(keys.FEED)
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return START_CURSOR
    return Cursor.parse(info["last-generated-id"]) or START_CURSOR


async def run_id(redis: RedisClient) -> str:
    """Return what is new after every start of Redis, with or without a loss of data: its run id, if INFO is allowed."""
    return str((await _run_id(redis, keys.FEED, [])).decode())


async def wait_for_events(redis: RedisClient, after: Cursor, *, block_seconds: float = BLOCK_SECONDS) -> list[Event]:
    """Read events after *after* with a blocking client; wait up to *block_seconds*. Never `$`: it loses events."""
    with translating_errors():
        found = await redis.xread({keys.FEED: str(after)}, count=BATCH, block=max(1, int(block_seconds * 1000)))
    return await _decode_after(redis, after, found[0][1] if found else [])


async def read_events(
    redis: RedisClient, after: Cursor, last: Cursor | None = None, *, count: int = BATCH
) -> list[Event]:
    """Read up to *count* events after *after*, up to and with *last*."""
    with translating_errors():
        entries = await redis.xrange(keys.FEED, min=f"({after}", max=str(last) if last else "+", count=count)
    return await _decode_after(redis, after, entries)


async def read_newest(redis: RedisClient, count: int) -> list[Event]:
    """Read the newest *count* events, oldest first."""
    with translating_errors():
        entries = await redis.xrevrange(keys.FEED, count=count)
    return await _decode_after(redis, None, entries[::-1])


async def check_continuity(redis: RedisClient, cursor: Cursor) -> str | None:
    """Return None when every event after *cursor* is still there, else why not: `trimmed`, `epoch` or `unknown`.

    A cursor is valid when its own event exists (ids are never given twice), when the oldest event that is kept directly
    follows it, or when it is START and there is none.
    """
    if await _exists(redis, cursor):
        return None
    with translating_errors():
        oldest = await redis.xrange(keys.FEED, count=1)
    if not oldest:
        return None if cursor == START_CURSOR else "epoch"
    first = Event.blank(*oldest[0])
    return None if first.follows(cursor) else _explain(cursor, first.cursor, await head(redis))


async def count_lost_events(redis: RedisClient) -> int:
    """Return how many events Redis has lost of entries that it still has: readers take them for erased ones."""
    count, after = 0, "-"
    while True:
        lost, last = await _lost(redis, keys.FEED, [after, BATCH])
        if not last:
            return count
        count, after = count + int(lost), f"({last.decode()}"


async def leave_gap(redis: RedisClient) -> None:
    """Make every client get a `reset`: what it has loaded may lack something that no event will say."""
    await _gap(redis, keys.FEED, [])


async def _decode_after(redis: RedisClient, before: Cursor | None, entries: Sequence[Entry]) -> list[Event]:
    """Decode *entries*, which were read after *before*.

    An entry that `XADD *` added follows the one before it, as the first of an epoch does: Redis gives it the number 0,
    which we never give. An entry that a person adds by hand must not make all streams load the list again.
    """
    events = await _decode_all(redis, entries)
    for n, event in enumerate(events):
        if event.cursor.n == 0 and before is not None and (n or await _exists(redis, before)):
            events[n] = replace(event, previous_epoch_end=before)
        before = event.cursor
    return events


async def _decode_all(redis: RedisClient, entries: Sequence[Entry]) -> list[Event]:
    """Decode *entries* together with their events, which are kept beside the feed."""
    apart = [(fields[b"id"], entry_id) for entry_id, fields in entries if b"id" in fields and b"data" not in fields]
    found: dict[bytes, bytes | None] = {}
    for start in range(0, len(apart), BATCH):
        pairs = apart[start : start + BATCH]
        answers = await _get_events(redis, keys.FEED, list(chain.from_iterable(pairs)))
        found |= zip((entry_id for _, entry_id in pairs), answers, strict=True)
    events = []
    for entry_id, fields in entries:
        data = found.get(entry_id, fields.get(b"data", b""))
        if data is None:  # trimmed since it was read: left out, so that readers see the gap
            continue
        is_erased = not data and entry_id in found
        events.append(Event.blank(entry_id, fields) if is_erased else _decode(entry_id, fields | {b"data": data}))
    return events


def _decode(entry_id: bytes, fields: dict[bytes, bytes]) -> Event:
    """Decode an entry; one that cannot be decoded is counted and becomes a blank event."""
    try:
        return Event.decode(entry_id, fields)
    except DecodeError as error:
        undecodable.add(entry_id, str(error))
        return Event.blank(entry_id, fields)


async def _exists(redis: RedisClient, cursor: Cursor) -> bool:
    with translating_errors():
        return bool(await redis.xrange(keys.FEED, min=str(cursor), max=str(cursor), count=1))


def _explain(cursor: Cursor, first: Cursor, last: Cursor) -> str:
    """Say why a client cannot resume from a cursor whose own event is not kept."""
    if cursor < first:
        return "trimmed"
    return "unknown" if cursor.epoch >= last.epoch else "epoch"

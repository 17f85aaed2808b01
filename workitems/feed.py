"""Reading the feed: the head, what came after a cursor, and whether a cursor can still be gone on from."""

from redis.exceptions import ResponseError

from workitems import keys
from workitems.event import START, Cursor, Event
from workitems.redis import BLOCK, Client, available

#: Events that one read brings at most.
BATCH = 500


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
    return [Event.decode(*entry) for _, entries in found or [] for entry in entries]


async def between(redis: Client, after: Cursor, last: Cursor | None = None, *, count: int = BATCH) -> list[Event]:
    """Up to *count* events after *after*, up to and with *last*."""
    with available():
        entries = await redis.xrange(keys.FEED, min=f"({after}", max=str(last) if last else "+", count=count)
    return [Event.decode(*entry) for entry in entries]


async def newest(redis: Client, count: int) -> list[Event]:
    """The newest *count* events, oldest first."""
    with available():
        entries = await redis.xrevrange(keys.FEED, count=count)
    return [Event.decode(*entry) for entry in reversed(entries)]


async def continuity(redis: Client, cursor: Cursor) -> str | None:
    """None when every event after *cursor* is still there, else why not: `trimmed`, `epoch` or `unknown`.

    A cursor holds when its own event exists (ids are never given twice), when the oldest event that is kept directly
    follows it, or when it is START and there is none.
    """
    with available():
        entries = await redis.xrange(keys.FEED, min=str(cursor), max=str(cursor), count=1)
        if entries:
            return None
        oldest = await redis.xrange(keys.FEED, count=1)
    if not oldest:
        return None if cursor == START else "epoch"
    first = Event.decode(*oldest[0])
    return None if first.follows(cursor) else _explain(cursor, first.cursor, await head(redis))


def _explain(cursor: Cursor, first: Cursor, last: Cursor) -> str:
    """Why a cursor whose own event is not kept cannot be gone on from."""
    if cursor < first:
        return "trimmed"
    return "unknown" if cursor.epoch >= last.epoch else "epoch"

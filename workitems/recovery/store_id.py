"""Reads from Redis which mail store belongs to it."""

from workitems.base import keys
from workitems.base.errors import StoreCommandError, UnreadableStoreIdError
from workitems.base.redis import RedisClient, translating_errors

#: Characters of an id at most: people may write one of their own. Ours have 32.
_MAX_ID = 100

#: Bytes of something else that a message shows.
_MAX_SHOWN = 32


async def read_store_id(redis: RedisClient) -> str:
    """Return the id of the mail store that Redis knows, '' for none. Raises StoreUnavailableError.

    Raises UnreadableStoreIdError when something else is there.
    """
    try:
        with translating_errors():
            found = bytes(await redis.get(keys.STORE) or b"")
    except StoreCommandError as error:  # a list, for example
        raise _unreadable(f"no text ({error})") from error
    text = found.decode("utf-8", "replace")
    if len(text) > _MAX_ID or not text.isprintable() or "\ufffd" in text:
        raise _unreadable(f"{found[:_MAX_SHOWN]!r} ({len(found)} bytes)")
    return text


def _unreadable(found: str) -> UnreadableStoreIdError:
    return UnreadableStoreIdError(
        f"{keys.STORE} in Redis, the id of the mail store, cannot be read: it holds {found}; accepted is an id, such "
        "as 32 hexadecimal digits",
        "Something else wrote to this key: remove it, and keep others from keys of Tubepost",
    )

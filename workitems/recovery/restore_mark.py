"""The mark that Redis has while a backup is restored into it: what is there is a part, and the next try removes it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from workitems.base import keys
from workitems.base.errors import RestoreIncompleteError, StoreUnavailableError
from workitems.base.redis import RedisClient, translating_errors
from workitems.base.retry import retry_until_available

#: Keys that a program makes as soon as it works, and that no restore writes.
OF_PROGRAMS = (keys.FEED, keys.INTAKE, keys.REPAIRED)

INTERRUPTED = """\
a restore of a backup into this Redis is not complete: wait for its end. If it was interrupted, run it again \
(run.py restore DIR); to give it up, move the mail folder away and empty Redis"""

USED_SINCE = f"""\
programs have worked with this Redis since a restore into it was interrupted, so it is not emptied. If nothing is \
missing in it, remove its key {keys.RESTORING}, and all continues"""


async def check_no_restore(redis: RedisClient) -> None:
    """Raise RestoreIncompleteError while Redis has the mark, StoreUnavailableError when it does not say."""
    with translating_errors():
        is_restoring = await redis.exists(keys.RESTORING)
        is_used = is_restoring and await redis.exists(*OF_PROGRAMS)
    if is_restoring:
        raise restore_incomplete(USED_SINCE if is_used else INTERRUPTED)


async def wait_for_restore(redis: RedisClient, stop: asyncio.Event, on_wait: Callable[[str], object]) -> None:
    """Wait while Redis has the mark, or for *stop*: what people change meanwhile would be removed again.

    *on_wait* gets the reason. A Redis that does not answer is not waited for: clients shall learn that.
    """
    with suppress(StoreUnavailableError):
        await retry_until_available(
            lambda: check_no_restore(redis), stop, errors=(RestoreIncompleteError,), on_wait=on_wait
        )


def restore_incomplete(message: str = INTERRUPTED) -> RestoreIncompleteError:
    return RestoreIncompleteError(message, "a restore of a backup is not complete")

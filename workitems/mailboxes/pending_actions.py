"""Pending actions: a durable queue of mail locations whose after-action is still to be done.

The scripts that publish and change items fill it in the same step (put.lua, publish.lua, change.lua).
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from workitems.base import keys
from workitems.base.redis import RedisClient, Script, ScriptArgument, translating_errors

_pending_actions = Script("feed/feed.lua", "mailboxes/pending_actions.lua")

#: Seconds until a location is tried again: doubled with each attempt; half of it to all of it is waited.
RETRY_BASE, RETRY_CAP = 10.0, 3600.0


@dataclass(frozen=True, slots=True)
class MailLocation:
    """Where a mail is in its mailbox; `raw` is its form in the queue."""

    raw: bytes
    folder: str
    uidvalidity: int
    uid: int

    @classmethod
    def decode(cls, raw: bytes) -> Self | None:
        """Decode a location; None when *raw* is none."""
        try:
            folder, uidvalidity, uid = json.loads(raw)
            return cls(raw, str(folder), int(uidvalidity), int(uid))
        except (ValueError, TypeError):
            return None


class PendingActions:
    """The queue of one mailbox. Every method raises StoreUnavailableError when Redis does not answer."""

    def __init__(self, redis: RedisClient, mailbox: str) -> None:
        self._redis = redis
        self._mailbox = mailbox

    async def list_due(self, limit: int) -> list[MailLocation]:
        """Return up to *limit* locations that are due, the longest due first; they stay until `remove`."""
        found = [(raw, MailLocation.decode(raw)) for raw in await self._ask("due", limit)]
        if wrong := [raw for raw, location in found if location is None]:
            await self._ask("done", *wrong)
        return [location for _, location in found if location]

    async def remove(self, locations: Sequence[MailLocation]) -> None:
        """Remove *locations*: their actions are done."""
        if locations:
            await self._ask("done", *(location.raw for location in locations))

    async def postpone(self, locations: Sequence[MailLocation]) -> None:
        """Try *locations* again after 5 to 10 seconds, later each time, in the end once an hour."""
        if locations:
            part = random.uniform(0.5, 1.0)  # noqa: S311  nothing secret
            await self._ask(
                "later", int(RETRY_BASE * 1000), int(RETRY_CAP * 1000), part, *(location.raw for location in locations)
            )

    async def count(self) -> int:
        """Return how many locations there are, due or not."""
        with translating_errors():
            return int(await self._redis.zcard(keys.after(self._mailbox)))

    async def set_error(self, folder: str, error: str) -> None:
        """Record why actions fail in *folder*; '' when they work."""
        key = keys.mailbox(self._mailbox, folder)
        with translating_errors():
            if error:
                await self._redis.hset(key, "after_error", error[:300])
            else:
                await self._redis.hdel(key, "after_error")

    async def _ask(self, verb: str, *arguments: ScriptArgument) -> list[bytes]:
        answer: list[bytes] = await _pending_actions(self._redis, keys.FEED, [self._mailbox, verb, *arguments])
        return answer

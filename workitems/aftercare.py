"""What is still to be done in a mailbox when its mail was published or its item closed: a durable queue of places.

It is filled in the very steps that publish and change items (put.lua, publish.lua, change.lua), and emptied here.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from workitems import keys
from workitems.redis import Argument, Client, Script, available

_aftercare = Script("feed.lua", "aftercare.lua")

#: Seconds until a place is tried again: doubled with each try, of which half to all is waited.
RETRY_BASE, RETRY_CAP = 10.0, 3600.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mail lies in its mailbox; `raw` as it stands in the queue."""

    raw: bytes
    folder: str
    uidvalidity: int
    uid: int

    @classmethod
    def decode(cls, raw: bytes) -> Self | None:
        """None for what is no place."""
        try:
            folder, uidvalidity, uid = json.loads(raw)
            return cls(raw, str(folder), int(uidvalidity), int(uid))
        except (ValueError, TypeError):
            return None


class Aftercare:
    """The queue of one mailbox. Every method raises StoreUnavailableError when Redis is away."""

    def __init__(self, redis: Client, mailbox: str) -> None:
        self._redis = redis
        self._mailbox = mailbox

    async def due(self, most: int) -> list[Place]:
        """Up to *most* places whose time has come, the longest due first; they stay until they are `done`."""
        found = [(raw, Place.decode(raw)) for raw in await self._ask("due", most)]
        if wrong := [raw for raw, place in found if place is None]:
            await self._ask("done", *wrong)
        return [place for _, place in found if place]

    async def done(self, places: Sequence[Place]) -> None:
        """Nothing is to be done at *places* any more."""
        if places:
            await self._ask("done", *(place.raw for place in places))

    async def later(self, places: Sequence[Place]) -> None:
        """Try *places* again after 5 to 10 seconds, later each time, at last once an hour."""
        if places:
            part = random.uniform(0.5, 1.0)  # noqa: S311  nothing secret
            await self._ask(
                "later", int(RETRY_BASE * 1000), int(RETRY_CAP * 1000), part, *(place.raw for place in places)
            )

    async def waiting(self) -> int:
        """How many places there are, due or not."""
        with available():
            return int(await self._redis.zcard(keys.after(self._mailbox)))

    async def tell(self, folder: str, error: str) -> None:
        """Record why nothing can be done in *folder*; '' when all is well."""
        key = keys.mailbox(self._mailbox, folder)
        with available():
            if error:
                await self._redis.hset(key, "after_error", error[:300])
            else:
                await self._redis.hdel(key, "after_error")

    async def _ask(self, verb: str, *arguments: Argument) -> list[bytes]:
        answer: list[bytes] = await _aftercare(self._redis, keys.FEED, [self._mailbox, verb, *arguments])
        return answer

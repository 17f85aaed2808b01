"""What is known about each mailbox: how far its mail was taken (the checkpoint), and how it is doing.

The intake's put moves the checkpoint together with the mail; here it is begun, read, and moved past what gave no mail.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from workitems import keys
from workitems.redis import Client, Script, available

_advance = Script("feed.lua", "advance.lua")

#: How a mailbox is doing.
CONNECTING, WATCHING, PAUSED, FAILING, NEEDS_SIGN_IN = "connecting", "watching", "paused", "failing", "needs_sign_in"

#: UIDs that a server lists and does not give, remembered for a mailbox; beyond it the mailbox counts as failing.
MOST_OWED = 100


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Every UID up to `uid` was looked at. UIDs below `below` count only when their mail is of `since` or later."""

    uidvalidity: int
    uid: int
    since: date | None = None
    below: int = 0


class Mailbox:
    """One mailbox's record in Redis. Every method raises StoreUnavailableError when Redis is away."""

    def __init__(self, redis: Client, name: str) -> None:
        self.name = name
        self._redis = redis
        self._key = keys.mailbox(name)

    async def checkpoint(self) -> Checkpoint | None:
        """None when the mailbox was never seen, or Redis lost what it knew."""
        with available():
            values = await self._redis.hmget(self._key, "uidvalidity", "uid", "since", "below")
        validity, uid, since, below = ((value or b"").decode() for value in values)
        if not validity:
            return None
        return Checkpoint(int(validity), int(uid or 0), date.fromisoformat(since) if since else None, int(below or 0))

    async def begin(self, checkpoint: Checkpoint) -> None:
        """Start to count at *checkpoint*; what the numbering before owed is forgotten."""
        record = {
            "uidvalidity": checkpoint.uidvalidity,
            "uid": checkpoint.uid,
            "since": checkpoint.since.isoformat() if checkpoint.since else "",
            "below": checkpoint.below,
        }
        with available():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(self._key, mapping=record)
                pipe.hincrby(self._key, "baselines", 1)
                pipe.hdel(self._key, "owed")
                await pipe.execute()

    async def advance(self, uidvalidity: int, uid: int) -> bool:
        """Move the checkpoint past UIDs that gave no mail; False when it is of another numbering by now."""
        return bool(await _advance(self._redis, keys.FEED, [self.name, uidvalidity, uid]))

    async def owed(self) -> dict[int, int]:
        """UID → tries, of mail that the server lists and did not give."""
        with available():
            text = await self._redis.hget(self._key, "owed")
        return {int(uid): tries for uid, tries in json.loads(text).items()} if text else {}

    async def owe(self, owed: Mapping[int, int], *, given_up: int = 0) -> None:
        """Remember what is owed; *given_up* more were asked for often enough."""
        with available():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(self._key, "owed", json.dumps(owed))
                if given_up:
                    pipe.hincrby(self._key, "given_up", given_up)
                await pipe.execute()

    async def tell(self, state: str, error: str = "") -> None:
        """Record how the mailbox is doing; `checked` is the time of the last round trip that was completed."""
        record = {"state": state, "error": error[:300]}
        if state == WATCHING:
            record["checked"] = f"{time.time():.3f}"
        with available():
            await self._redis.hset(self._key, mapping=record)

"""What is known about each folder of a mailbox: how far its mail was taken (the checkpoint), and how it is doing.

The intake's put moves the checkpoint together with the mail; here it is begun, read, and moved past what gave no mail.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from workitems import keys
from workitems.errors import LeaseLostError
from workitems.lease import Lease
from workitems.redis import Argument, Client, Script, available

_checkpoint = Script("feed.lua", "checkpoint.lua")

#: How a mailbox is doing.
CONNECTING, WATCHING, PAUSED, FAILING, NEEDS_SIGN_IN = "connecting", "watching", "paused", "failing", "needs_sign_in"

#: UIDs that a server lists and does not give, remembered for a folder; beyond it the mailbox counts as failing.
MOST_OWED = 100


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Every UID up to `uid` was looked at. UIDs below `below` count only when their mail is of `since` or later."""

    uidvalidity: int
    uid: int
    since: date | None = None
    below: int = 0


class Mailbox:
    """The record of one folder. Every method raises StoreUnavailableError when Redis is away.

    Those that change how far it was taken raise LeaseLostError when *lease* is another worker's by now; without one
    they are for whoever is alone.
    """

    def __init__(self, redis: Client, name: str, folder: str = "INBOX", lease: Lease | None = None) -> None:
        self.name = name
        self.folder = folder
        self._redis = redis
        self._lease = lease
        self._key = keys.mailbox(name, folder)

    async def checkpoint(self) -> Checkpoint | None:
        """None when the folder was never seen, or Redis lost what it knew."""
        with available():
            values = await self._redis.hmget(self._key, "uidvalidity", "uid", "since", "below")
        validity, uid, since, below = ((value or b"").decode() for value in values)
        if not validity:
            return None
        return Checkpoint(int(validity), int(uid or 0), date.fromisoformat(since) if since else None, int(below or 0))

    async def begin(self, checkpoint: Checkpoint) -> None:
        """Start to count at *checkpoint*; what the numbering before owed is forgotten."""
        since = checkpoint.since.isoformat() if checkpoint.since else ""
        await self._step("begin", checkpoint.uidvalidity, checkpoint.uid, since, checkpoint.below)

    async def advance(self, uidvalidity: int, uid: int) -> bool:
        """Move the checkpoint past UIDs that gave no mail; False when it is of another numbering by now."""
        return await self._step("advance", uidvalidity, uid)

    async def owed(self) -> dict[int, int]:
        """UID → tries, of mail that the server lists and did not give."""
        with available():
            text = await self._redis.hget(self._key, "owed")
        return {int(uid): tries for uid, tries in json.loads(text).items()} if text else {}

    async def owe(self, owed: Mapping[int, int], *, given_up: int = 0) -> None:
        """Remember what is owed; *given_up* more were asked for often enough."""
        await self._step("owe", json.dumps(owed), given_up)

    async def tell(self, state: str, error: str = "") -> None:
        """Record how the mailbox is doing; `checked` is the time of the last round trip that was completed."""
        record = {"state": state, "error": error[:300]}
        if state == WATCHING:
            record["checked"] = f"{time.time():.3f}"
        with available():
            await self._redis.hset(self._key, mapping=record)

    async def _step(self, verb: str, *arguments: Argument) -> bool:
        token = self._lease.token or "none" if self._lease else ""
        answer = await _checkpoint(self._redis, keys.FEED, [self.name, self.folder, token, verb, *arguments])
        if answer == b"lease":
            raise LeaseLostError(f"another worker holds the mailbox {self.name}")
        return bool(answer == b"done")

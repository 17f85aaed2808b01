"""What is known about each folder of a mailbox: how far its mail was taken (the checkpoint), and how it is doing.

The intake's put moves the checkpoint together with the mail; here it is begun, read, and moved past what gave no mail.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
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


#: Mailbox, folder, and where its reading would begin now → where it began when it was first seen.
FirstSight = Callable[[str, str, Checkpoint], Awaitable[Checkpoint]]


@dataclass(frozen=True, slots=True)
class Progress:
    """Mail that lay there already and is being taken: `taken` of `todo` messages."""

    taken: int
    todo: int


class Mailbox:
    """The record of one folder. Every method raises StoreUnavailableError when Redis is away.

    Those that change something raise LeaseLostError when *lease* is another worker's by now; without one they are for
    whoever is alone.
    """

    def __init__(
        self,
        redis: Client,
        name: str,
        folder: str = "INBOX",
        lease: Lease | None = None,
        first_sight: FirstSight | None = None,
    ) -> None:
        """*first_sight* remembers outside of Redis where the reading began (`Keepsake.first_sight`)."""
        self.name = name
        self.folder = folder
        self._redis = redis
        self._lease = lease
        self._first_sight = first_sight
        self._key = keys.mailbox(name, folder)

    @property
    def token(self) -> str:
        """What a put of this folder's mail shows: the lease's token, '' where there is no lease."""
        return self._lease.token or "none" if self._lease else ""

    async def checkpoint(self) -> Checkpoint | None:
        """None when the folder was never seen, or Redis lost what it knew."""
        with available():
            values = await self._redis.hmget(self._key, "uidvalidity", "uid", "from", "below")
        validity, uid, since, below = ((value or b"").decode() for value in values)
        if not validity:
            return None
        return Checkpoint(int(validity), int(uid or 0), date.fromisoformat(since) if since else None, int(below or 0))

    async def first_seen(self, fresh: Checkpoint) -> Checkpoint:
        """Where the reading of a folder that Redis does not know began: *fresh*, unless it was seen before a loss."""
        return await self._first_sight(self.name, self.folder, fresh) if self._first_sight else fresh

    async def begin(self, checkpoint: Checkpoint, *, again: bool = False) -> None:
        """Start to count at *checkpoint*; what the numbering before owed is forgotten.

        *again*: the folder was seen before, though Redis knows nothing of it.
        """
        since = checkpoint.since.isoformat() if checkpoint.since else ""
        flag = "1" if again else ""
        await self._step("begin", checkpoint.uidvalidity, checkpoint.uid, since, checkpoint.below, flag)

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

    async def tell(self, state: str, error: str = "", *, worker: str = "", progress: Progress | None = None) -> None:
        """Record how the folder is doing. WATCHING says that a round trip was just completed: `checked` is its time."""
        checked = "1" if state == WATCHING else ""
        far = (progress.todo, progress.taken) if progress else ("", "")
        await self._step("tell", state, error[:300], checked, worker, *far)

    async def importing(self, progress: Progress | None) -> None:
        """Record how far an import of old mail has come; None: it ended. Needs no lease: it moves no checkpoint."""
        with available():
            if progress is None:
                await self._redis.hdel(self._key, "import_todo", "import_taken")
            else:
                record = {"import_todo": progress.todo, "import_taken": progress.taken}
                await self._redis.hset(self._key, mapping=record)

    async def _step(self, verb: str, *arguments: Argument) -> bool:
        answer = await _checkpoint(self._redis, keys.FEED, [self.name, self.folder, self.token, verb, *arguments])
        if answer == b"lease":
            raise LeaseLostError(f"another worker holds the mailbox {self.name}")
        return bool(answer == b"done")

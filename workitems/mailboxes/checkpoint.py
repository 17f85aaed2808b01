"""The record of each folder of a mailbox: its checkpoint, and its state.

The intake's put moves the checkpoint together with the mail; here it is set, read, and moved past UIDs without a mail.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date

from workitems.base import keys
from workitems.base.errors import LeaseLostError
from workitems.base.redis import RedisClient, Script, ScriptArgument, translating_errors
from workitems.mailboxes.lease import Lease

_checkpoint = Script("feed/feed.lua", "mailboxes/checkpoint.lua")

#: The states of a mailbox.
CONNECTING, WATCHING, PAUSED, FAILING, NEEDS_SIGN_IN = "connecting", "watching", "paused", "failing", "needs_sign_in"

#: Unfetched UIDs that are kept for a folder; with more the mailbox counts as failing.
MAX_UNFETCHED_UIDS = 100


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Every UID up to `uid` was checked. Mail with a UID below `below` is taken only when it is of `since` or later."""

    uidvalidity: int
    uid: int
    since: date | None = None
    below: int = 0


#: Mailbox, folder, and where reading would begin now → where it began when the folder was first seen.
RecordStart = Callable[[str, str, Checkpoint], Awaitable[Checkpoint]]


@dataclass(frozen=True, slots=True)
class BackfillCounts:
    """Progress of a backfill: `taken` of `total` messages."""

    taken: int
    total: int


class FolderRecord:
    """The record of one folder. Every method raises StoreUnavailableError when Redis does not answer.

    Methods that change something raise LeaseLostError when another worker has the *lease* now. Without a lease the
    caller must be the only one.
    """

    def __init__(
        self,
        redis: RedisClient,
        name: str,
        folder: str = "INBOX",
        lease: Lease | None = None,
        record_start: RecordStart | None = None,
    ) -> None:
        """*record_start* stores outside of Redis where reading began (`DurableState.record_start`)."""
        self.name = name
        self.folder = folder
        self._redis = redis
        self._lease = lease
        self._record_start = record_start
        self._key = keys.mailbox(name, folder)

    @property
    def lease_token(self) -> str:
        """Return the token that a put of this folder's mail must show; '' without a lease."""
        return self._lease.token or "none" if self._lease else ""

    async def checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint; None when the folder was never seen, or Redis lost its record."""
        with translating_errors():
            values = await self._redis.hmget(self._key, "uidvalidity", "uid", "from", "below")
        validity, uid, since, below = ((value or b"").decode() for value in values)
        if not validity:
            return None
        return Checkpoint(int(validity), int(uid or 0), date.fromisoformat(since) if since else None, int(below or 0))

    async def start_checkpoint(self, fresh: Checkpoint) -> Checkpoint:
        """Return where reading of a folder unknown to Redis began: *fresh* unless it was known before a loss."""
        return await self._record_start(self.name, self.folder, fresh) if self._record_start else fresh

    async def set_checkpoint(self, checkpoint: Checkpoint, *, again: bool = False) -> None:
        """Start at *checkpoint* and forget the unfetched UIDs of the UIDVALIDITY before.

        *again*: the folder was seen before, but Redis knows nothing of it.
        """
        since = checkpoint.since.isoformat() if checkpoint.since else ""
        flag = "1" if again else ""
        await self._step("begin", checkpoint.uidvalidity, checkpoint.uid, since, checkpoint.below, flag)

    async def advance_checkpoint(self, uidvalidity: int, uid: int) -> bool:
        """Move the checkpoint past UIDs without a mail; return False when its UIDVALIDITY has changed."""
        return await self._step("advance", uidvalidity, uid)

    async def unfetched_uids(self) -> dict[int, int]:
        """Return UID → attempts, of mail that the server lists and did not give."""
        with translating_errors():
            text = await self._redis.hget(self._key, "unfetched")
        return {int(uid): attempts for uid, attempts in json.loads(text).items()} if text else {}

    async def set_unfetched_uids(self, attempts: Mapping[int, int], *, given_up: int = 0) -> None:
        """Store the attempts of the unfetched UIDs; *given_up* more were tried often enough."""
        await self._step("unfetched", json.dumps(attempts), given_up)

    async def set_state(
        self, state: str, error: str = "", *, worker: str = "", progress: BackfillCounts | None = None
    ) -> None:
        """Record the state of the folder. WATCHING says that a round trip was just completed, at the time `checked`."""
        checked = "1" if state == WATCHING else ""
        counts = (progress.total, progress.taken) if progress else ("", "")
        await self._step("state", state, error[:300], checked, worker, *counts)

    async def set_import_progress(self, progress: BackfillCounts | None) -> None:
        """Record the progress of an import; None: it ended. Needs no lease, since it moves no checkpoint."""
        with translating_errors():
            if progress is None:
                await self._redis.hdel(self._key, "import_todo", "import_taken")
            else:
                record = {"import_todo": progress.total, "import_taken": progress.taken}
                await self._redis.hset(self._key, mapping=record)

    async def _step(self, verb: str, *arguments: ScriptArgument) -> bool:
        answer = await _checkpoint(self._redis, keys.FEED, [self.name, self.folder, self.lease_token, verb, *arguments])
        if answer == b"lease":
            raise LeaseLostError(f"another worker holds the mailbox {self.name}")
        return bool(answer == b"done")

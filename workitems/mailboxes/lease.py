"""The lease of a mailbox: only the worker that holds it watches the mailbox.

Each change of a checkpoint shows the lease's token.

Redis refuses a token that is no longer valid, so a worker that was paused and resumes late can do no harm.
"""

from workitems.base import keys
from workitems.base.redis import RedisClient, Script, ScriptArgument

_lease = Script("feed/feed.lua", "mailboxes/lease.lua")

#: Seconds after which to ask again for a lease that is just ending.
_SOON = 0.05


class Lease:
    """The lease of one mailbox, for one worker. *ttl_seconds*: how long it lasts unless it is renewed.

    *owner* is the worker's stable name: its next process takes over at once what the last one held. Only its first
    request may do so, or two processes with one name would take the mailbox from each other for ever.
    Every method raises StoreUnavailableError when Redis does not answer.
    """

    def __init__(self, redis: RedisClient, mailbox: str, owner: str, *, ttl_seconds: float) -> None:
        self.mailbox = mailbox
        self.ttl_seconds = ttl_seconds
        #: Shown with every change of the checkpoint; '' while the lease is not held.
        self.token = ""
        self._redis = redis
        self._owner = owner
        self._is_first_acquire = True

    async def acquire(self) -> float:
        """Take or renew the lease. Return 0.0, or the seconds until its present holder must have renewed it."""
        self.token, left = await self._ask("take")
        self._is_first_acquire = False
        return 0.0 if self.token else max(left, _SOON)

    async def release(self) -> None:
        """Give the lease up, so that another worker can take it at once."""
        token, self.token = self.token, ""
        if token:
            await self._ask("release", token)

    async def _ask(self, verb: str, token: str | None = None) -> tuple[str, float]:
        shown = self.token if token is None else token
        arguments: list[ScriptArgument] = [self.mailbox, verb, self._owner, shown, int(self.ttl_seconds * 1000)]
        arguments.append("1" if self._is_first_acquire else "")
        answer = await _lease(self._redis, keys.FEED, arguments)
        return answer[0].decode(), max(0, answer[1]) / 1000

"""Who watches a mailbox: one worker at a time holds its lease; every step of its checkpoint shows the lease's token.

A token that is no longer in Redis is refused there, so a worker that was stopped and comes back late cannot do harm.
"""

from workitems import keys
from workitems.redis import Argument, Client, Script

_lease = Script("feed.lua", "lease.lua")

#: Seconds after which one that ends this very moment is asked for again.
_SOON = 0.05


class Lease:
    """The lease of one mailbox, for one worker. *seconds*: how long it lasts unless it is taken again.

    *owner* is the worker's stable name: its next process takes over at once what the last one held. Only with its first
    asking, or two processes that were given one name would take the mailbox from each other for ever.
    Every method raises StoreUnavailableError when Redis is away.
    """

    def __init__(self, redis: Client, mailbox: str, owner: str, *, seconds: float) -> None:
        self.mailbox = mailbox
        self.seconds = seconds
        #: Shown with every step of the checkpoint; '' while the lease is not held.
        self.token = ""
        self._redis = redis
        self._owner = owner
        self._started = True

    async def take(self) -> float:
        """Take the lease, or make it last longer: 0.0, or the seconds until who has it must have renewed it."""
        self.token, left = await self._ask("take")
        self._started = False
        return 0.0 if self.token else max(left, _SOON)

    async def release(self) -> None:
        """Let another worker have it at once."""
        token, self.token = self.token, ""
        if token:
            await self._ask("release", token)

    async def _ask(self, verb: str, token: str | None = None) -> tuple[str, float]:
        shown = self.token if token is None else token
        arguments: list[Argument] = [self.mailbox, verb, self._owner, shown, int(self.seconds * 1000)]
        arguments.append("1" if self._started else "")
        answer = await _lease(self._redis, keys.FEED, arguments)
        return answer[0].decode(), max(0, answer[1]) / 1000

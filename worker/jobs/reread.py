"""Has stored mail read again, after a change of rules or an update. What people did stays.

Workers do the reading. New mail comes between, since only a few items wait at a time.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from worker.sandbox.frames import EncodedRules
from workitems.base import keys
from workitems.base.errors import IntakeFullError, NoLongerKeptError, NotFoundError
from workitems.base.json_codec import encode_json
from workitems.base.redis import RedisClient, translating_errors
from workitems.jobs.job import DONE, JobReport
from workitems.mailstore.store import MailStore
from workitems.queue.item import order_seconds
from workitems.queue.quarantine import retry_item

Json = dict[str, Any]

#: Items that are looked at in one round trip, and mails that may wait before more are added.
BATCH, MAX_WAITING = 100, 200

#: Seconds between two looks at the intake.
PAUSE = 0.2


@dataclass(slots=True)
class RereadCounts:
    """How many items there are, were looked at, wait to be read, and cannot be read again."""

    total: int = 0
    seen: int = 0
    put: int = 0
    not_kept: int = 0


class RereadCaller:
    """What a call tells its caller, and asks it: a command shows a bar, a job reports."""

    @property
    def is_stopped(self) -> bool:
        """Whether the call must end before the next item."""
        return False

    def show(self, call: "Reread") -> None:
        """Show how far the call is; it is called after each item."""

    async def wait(self) -> None:
        """Wait a moment, since enough mails wait to be read."""
        await asyncio.sleep(PAUSE)


class Reread:
    """One call: the items of *mailbox*, or of all, that came on *since* or later, the newest first.

    An interrupted call continues when it is made with the same values and rules.
    """

    def __init__(
        self,
        redis: RedisClient,
        mailstore: MailStore,
        *,
        since: date | None,
        mailbox: str | None,
        rules: EncodedRules,
    ) -> None:
        self.counts = RereadCounts()
        #: Items that an interrupted call had looked at, and the order key at which this one continues.
        self.continued, self.continues_before = 0, 0.0
        self._redis = redis
        self._mailstore = mailstore
        self._mailbox = mailbox
        self._lowest = _score(since)
        #: With other rules the items that were read before must be read again, too.
        self._what = f"{mailbox or ''}:{since or ''}:{digest(rules)}"

    async def prepare(self) -> None:
        """Count the items, and look whether an interrupted call is continued. Raises StoreUnavailableError."""
        with translating_errors():
            known, before = await self._redis.hmget(keys.REREAD, "what", "before")
            self.counts.total = int(await self._redis.zcount(keys.items(self._mailbox), self._lowest, "+inf"))
        if before and known == self._what.encode():
            self.continues_before = float(before)
            with translating_errors():
                left = await self._redis.zcount(keys.items(self._mailbox), self._lowest, self._highest)
            self.counts.seen = self.continued = self.counts.total - int(left)

    async def run(self, caller: RereadCaller) -> bool:
        """Add all items to the intake, after `prepare`. Return False when the *caller* stopped it before.

        Raises StoreUnavailableError.
        """
        async for item_id, score in self._items():
            if not await self._put(item_id, caller):
                return False
            self.counts.seen += 1
            with translating_errors():
                await self._redis.hset(keys.REREAD, mapping={"what": self._what, "before": f"{score:.0f}"})
            caller.show(self)
        with translating_errors():
            await self._redis.delete(keys.REREAD)
        return True

    @property
    def _highest(self) -> str:
        return f"({self.continues_before:.0f}" if self.continues_before else "+inf"

    async def _items(self) -> AsyncIterator[tuple[str, float]]:
        """Yield id and order of the items, newest first. What comes meanwhile is read with the new rules anyway."""
        highest = self._highest
        while True:
            with translating_errors():
                found = await self._redis.zrange(
                    keys.items(self._mailbox), highest, self._lowest, desc=True, byscore=True, offset=0, num=BATCH,
                    withscores=True,
                )  # fmt: skip
            for item_id, score in found:
                yield item_id.decode(), score
                highest = f"({score:.0f}"
            if len(found) < BATCH:
                return

    async def _put(self, item_id: str, caller: RereadCaller) -> bool:
        """Let the item wait to be read; return False when the call is stopped before."""
        while not caller.is_stopped:
            try:
                self.counts.put += await retry_item(self._redis, self._mailstore, item_id, max_waiting=MAX_WAITING)
                return True
            except IntakeFullError:
                await caller.wait()
            except NoLongerKeptError:
                self.counts.not_kept += 1
                return True
            except NotFoundError:  # removed meanwhile, or made by hand
                return True
        return False


class RereadWork:
    """Does what an administrator asked for by HTTP."""

    def __init__(self, redis: RedisClient, mailstore: MailStore, get_rules: Callable[[], EncodedRules]) -> None:
        self._redis = redis
        self._mailstore = mailstore
        self._get_rules = get_rules

    async def __call__(self, request: Json, report_progress: Callable[[Json], object]) -> JobReport:
        """Have the items of *request* read again. Raises StoreUnavailableError."""
        since = date.fromisoformat(request["since"]) if request["since"] else None
        mailbox, rules = request["mailbox"], self._get_rules()
        call = Reread(self._redis, self._mailstore, since=since, mailbox=mailbox, rules=rules)
        caller = _Reporter(report_progress)
        await call.prepare()
        caller.show(call)
        await call.run(caller)
        return JobReport(DONE, asdict(call.counts))


class _Reporter(RereadCaller):
    def __init__(self, report_progress: Callable[[Json], object]) -> None:
        self._report_progress = report_progress

    def show(self, call: Reread) -> None:
        self._report_progress(asdict(call.counts))


def digest(rules: EncodedRules) -> str:
    """Return a short name for *rules*: other rules have another one."""
    return hashlib.sha256(encode_json(rules)).hexdigest()[:16]


def _score(since: date | None) -> int:
    return 0 if since is None else order_seconds(datetime.combine(since, time(), UTC)) * 2**20

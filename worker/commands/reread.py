"""`run.py reread`: has stored mail read again, after a change of rules or an update. What people did stays.

Workers do the reading. New mail comes between, since only a few items wait at a time.
"""

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from worker.commands.progress_bar import ProgressLine, format_bar
from worker.main import rules
from workitems.base import keys
from workitems.base import log as logs
from workitems.base.errors import IntakeFullError, NoLongerKeptError, NotFoundError
from workitems.base.json_codec import encode_json
from workitems.base.redis import RedisClient, connect, translating_errors
from workitems.mailstore.store import MailStore
from workitems.queue.item import order_seconds
from workitems.queue.quarantine import retry_item
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings
from workitems.status.heartbeats import live_workers

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


async def reread(
    settings: Settings, *, since: date | None = None, mailbox: str | None = None, line: ProgressLine | None = None
) -> bool:
    """Have the items of *mailbox*, or of all, that came on *since* or later read again, the newest first.

    An interrupted call continues when it is called with the same values and rules. Returns whether all items were
    reached. Raises InvalidChangeError for an unknown mailbox, StoreUnavailableError.
    """
    if mailbox is not None:
        settings.require_mailbox(mailbox)
    logs.configure("error")
    line, stop = line or ProgressLine(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    redis = connect(settings.redis_url, timeout=settings.redis.timeout_seconds)
    mailstore = MailStore(settings.mail_folder)
    try:
        await DurableState(redis, mailstore, max_events=settings.stream.max_feed_events).identify()
        run = _Reread(redis, mailstore, since, mailbox, line, stop, digest=_digest(settings))
        is_complete = await run.run()
        await _summary(redis, run.counts, line, is_complete=is_complete)
        return is_complete
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        mailstore.close()
        await redis.aclose()


class _Reread:
    def __init__(
        self,
        redis: RedisClient,
        mailstore: MailStore,
        since: date | None,
        mailbox: str | None,
        line: ProgressLine,
        stop: asyncio.Event,
        *,
        digest: str,
    ) -> None:
        self.counts = RereadCounts()
        self._redis = redis
        self._mailstore = mailstore
        self._since = since
        self._mailbox = mailbox
        self._line = line
        self._stop = stop
        #: With other rules the items that were read before must be read again, too.
        self._digest = digest

    async def run(self) -> bool:
        """Add all items to the intake. Returns False when it was stopped before."""
        what = f"{self._mailbox or ''}:{self._since or ''}:{self._digest}"
        lowest = _score(self._since)
        with translating_errors():
            known, before = await self._redis.hmget(keys.REREAD, "what", "before")
            self.counts.total = int(await self._redis.zcount(keys.items(self._mailbox), lowest, "+inf"))
        highest = f"({before.decode()}" if before and known == what.encode() else "+inf"
        if highest != "+inf":
            with translating_errors():
                left = int(await self._redis.zcount(keys.items(self._mailbox), lowest, highest))
            self.counts.seen = self.counts.total - left
            self._line.print(
                f"An interrupted call with the same rules is continued: {self.counts.seen:,} of {self.counts.total:,} "
                f"items were looked at, the others came before {_day(float(before))}."
            )
        started, first = asyncio.get_running_loop().time(), self.counts.seen
        async for item_id, score in self._items(lowest, highest):
            if not await self._put(item_id):
                return False
            self.counts.seen += 1
            with translating_errors():
                await self._redis.hset(keys.REREAD, mapping={"what": what, "before": f"{score:.0f}"})
            seconds = asyncio.get_running_loop().time() - started
            self._line.show(format_bar("items", self.counts.seen - first, self.counts.total - first, seconds))
        with translating_errors():
            await self._redis.delete(keys.REREAD)
        return True

    async def _items(self, lowest: int, highest: str) -> AsyncIterator[tuple[str, float]]:
        """Yield id and order of the items, newest first. What comes meanwhile is read with the new rules anyway."""
        while True:
            with translating_errors():
                found = await self._redis.zrange(
                    keys.items(self._mailbox), highest, lowest, desc=True, byscore=True, offset=0, num=BATCH,
                    withscores=True,
                )  # fmt: skip
            for item_id, score in found:
                yield item_id.decode(), score
                highest = f"({score:.0f}"
            if len(found) < BATCH:
                return

    async def _put(self, item_id: str) -> bool:
        """Let the item wait to be read; return False when the command is stopped before."""
        while not self._stop.is_set():
            try:
                self.counts.put += await retry_item(self._redis, self._mailstore, item_id, max_waiting=MAX_WAITING)
                return True
            except IntakeFullError:
                await self._wait()
            except NoLongerKeptError:
                self.counts.not_kept += 1
                return True
            except NotFoundError:  # removed meanwhile, or made by hand
                return True
        return False

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), PAUSE)
        except TimeoutError:
            if not await live_workers(self._redis):
                self._line.show("No worker is running; the command continues as soon as one runs.")


def _score(since: date | None) -> int:
    return 0 if since is None else order_seconds(datetime.combine(since, time(), UTC)) * 2**20


def _day(score: float) -> str:
    return f"{datetime.fromtimestamp(score / 2**20, UTC):%Y-%m-%d %H:%M} UTC"


def _digest(settings: Settings) -> str:
    return hashlib.sha256(encode_json(rules(settings))).hexdigest()[:16]


async def _summary(redis: RedisClient, counts: RereadCounts, line: ProgressLine, *, is_complete: bool) -> None:
    if not is_complete:
        line.print(f"Stopped after {counts.seen:,} of {counts.total:,} items. The same command continues from there.")
    line.print(f"{counts.put:,} items wait to be read again, or were read already.")
    if counts.not_kept:
        line.print(f"{counts.not_kept:,} cannot be read again: their raw mail is no longer kept.")
    with translating_errors():
        waiting = int(await redis.xlen(keys.INTAKE))
    if waiting and not await live_workers(redis):
        line.print("No worker is running; they are read as soon as one runs.")

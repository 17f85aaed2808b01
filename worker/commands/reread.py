"""`run.py reread`: has stored mail read again, after a change of rules or an update. What people did stays."""

import asyncio
import signal
from contextlib import suppress
from datetime import UTC, date, datetime

from worker.commands.progress_bar import ProgressLine, format_bar
from worker.jobs.reread import PAUSE, Reread, RereadCaller, RereadCounts
from worker.main import rules
from workitems.base import keys
from workitems.base import log as logs
from workitems.base.redis import RedisClient, connect, translating_errors
from workitems.mailstore.store import MailStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings
from workitems.settings.comparison import rules_digest
from workitems.status.heartbeats import live_workers
from workitems.status.rules_findings import list_names

#: Seconds to wait for workers that do not use the rules of the settings yet: they need five, and five to say it.
RULES_SECONDS = 20.0


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
        await _wait_for_rules(redis, rules_digest(settings), line, stop)
        call = Reread(redis, mailstore, since=since, mailbox=mailbox, rules=rules(settings))
        await call.prepare()
        _say_where(call, line)
        is_complete = await call.run(_Command(redis, line, stop))
        await _summary(redis, call.counts, line, is_complete=is_complete)
        return is_complete
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        mailstore.close()
        await redis.aclose()


class _Command(RereadCaller):
    def __init__(self, redis: RedisClient, line: ProgressLine, stop: asyncio.Event) -> None:
        self._redis = redis
        self._line = line
        self._stop = stop
        self._started = asyncio.get_running_loop().time()

    @property
    def is_stopped(self) -> bool:
        return self._stop.is_set()

    def show(self, call: Reread) -> None:
        counts, seconds = call.counts, asyncio.get_running_loop().time() - self._started
        self._line.show(format_bar("items", counts.seen - call.continued, counts.total - call.continued, seconds))

    async def wait(self) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), PAUSE)
        except TimeoutError:
            if not await live_workers(self._redis):
                self._line.show("No worker is running; the command continues as soon as one runs.")


def _say_where(call: Reread, line: ProgressLine) -> None:
    if call.continues_before:
        line.print(
            f"An interrupted call with the same rules is continued: {call.continued:,} of {call.counts.total:,} "
            f"items were looked at, the others came before {_day(call.continues_before)}."
        )


async def _wait_for_rules(redis: RedisClient, digest: str, line: ProgressLine, stop: asyncio.Event) -> None:
    """Wait until all workers use the rules with this *digest*, for RULES_SECONDS; then name those that do not."""
    others: dict[str, str] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(RULES_SECONDS):
            while not stop.is_set():
                workers = await live_workers(redis)
                others = {
                    name: each.rules_error for name, each in workers.items() if each.rules_digest not in ("", digest)
                }
                if not others:
                    return
                line.show(f"Waiting until the rules in the settings are used by {list_names(list(others))}.")
                await asyncio.sleep(PAUSE)
    if not stop.is_set():
        why = next(filter(None, others.values()), "their settings file or their environment is another one")
        line.print(f"Other rules than in these settings are used by {list_names(list(others))}: {why}.")


def _day(score: float) -> str:
    return f"{datetime.fromtimestamp(score / 2**20, UTC):%Y-%m-%d %H:%M} UTC"


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

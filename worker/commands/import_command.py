"""`run.py import`: takes the old mail of a mailbox, whatever the workers have taken of it.

Workers may run at the same time: their checkpoints do not move, and mail that is known is not taken twice.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace

from worker.commands.importer import Importer, ImportStart
from worker.commands.progress_bar import ProgressLine
from worker.mailboxes.connections import AccountConnector
from worker.mailboxes.watched_folder import WatchedFolder, watched_folders
from workitems.base.errors import LeaseLostError, StoreUnavailableError
from workitems.base.redis import RedisClient, connect
from workitems.base.tasks import cancel_and_wait
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import FolderRecord
from workitems.mailboxes.import_progress import ImportProgressStore
from workitems.mailboxes.lease import Lease
from workitems.mailstore.store import MailStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings
from workitems.status.heartbeats import live_workers
from workitems.status.redis_watch import RedisWatch


async def import_mail(
    settings: Settings, name: str, start: ImportStart | None, folder: str | None, line: ProgressLine | None = None
) -> bool:
    """Import the folders of the mailbox *name*, or only *folder*. Returns whether all of it was taken.

    *start* None: continue an import that was stopped, or else take all. Progress goes to *line*. Raises TubepostError.
    """
    line, stop, access = line or ProgressLine(), asyncio.Event(), AccountConnector()
    folders = _folders(settings, name, folder)
    settings.check_files(name)
    async with AsyncExitStack() as parts:
        redis = connect(settings.redis_url, timeout=settings.redis.timeout_seconds)
        parts.push_async_callback(redis.aclose)
        mailstore = MailStore(settings.mail_folder)
        parts.callback(mailstore.close)
        box = settings.mailboxes[name]
        after = {name: box.after_action_on} if box.after_action != "leave" else {}
        reconcile = DurableState(redis, mailstore, max_events=settings.stream.max_feed_events).reconcile
        intake = Intake(
            redis,
            mailstore,
            max_waiting=settings.intake.max_waiting,
            after_action_on=after,
            reconcile=reconcile,
            require_safe=RedisWatch(redis).require_safe,
        )
        parts.enter_context(_stop_on_signals(stop))
        await parts.enter_async_context(_holding_import_lease(redis, name, settings, stop))
        importers = [
            Importer(
                watch,
                access,
                ImportProgressStore(redis, name, watch.folder),
                FolderRecord(redis, name, watch.folder),
                intake,
                line,
                stop,
                max_waiting=settings.intake.max_waiting,
            )
            for watch in folders
        ]
        try:
            is_complete = all([await importer.run(start) for importer in importers])
        except StoreUnavailableError:
            if not stop.is_set():
                raise
            is_complete = False
        await _summary(line, redis, intake, importers, is_complete=is_complete)
        return is_complete and not any(importer.counts.failed for importer in importers)


def _folders(settings: Settings, name: str, folder: str | None) -> list[WatchedFolder]:
    settings.require_mailbox(name)
    known = watched_folders(name, settings.mailboxes[name], settings)
    if folder is None:
        return known
    return [each for each in known if each.folder == folder] or [replace(known[0], folder=folder, is_own=False)]


@contextmanager
def _stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set *stop* inside the block."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def _holding_import_lease(
    redis: RedisClient, name: str, settings: Settings, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Hold the lease for one import of a mailbox inside the block. Sets *stop* when another import takes it."""
    seconds = settings.worker.lease_seconds
    lease = Lease(redis, f"import.{name}", f"{settings.host}-{os.getpid()}", ttl_seconds=seconds)
    if left := await lease.acquire():
        raise LeaseLostError(f"an import of {name} is running already; if it was killed, try again in {left:.0f} s")

    async def renew() -> None:
        while not stop.is_set():
            await asyncio.sleep(seconds / 3)
            with suppress(StoreUnavailableError):
                if await lease.acquire():
                    stop.set()

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        await cancel_and_wait(renewing)
        with suppress(StoreUnavailableError):
            await lease.release()


async def _summary(
    line: ProgressLine, redis: RedisClient, intake: Intake, importers: list[Importer], *, is_complete: bool
) -> None:
    """Print the result, and what a person must do."""
    new, known, failed = (sum(getattr(each.counts, name) for each in importers) for name in ("new", "known", "failed"))
    if not is_complete:
        taken, todo = sum(each.taken for each in importers), sum(each.total for each in importers)
        line.print(f"Stopped after {taken:,} of {todo:,} mails. The same command continues from there.")
    line.print(f"{new + known:,} mails taken: {new:,} new, {known:,} known already.")
    if failed:
        line.print(f"{failed:,} were not given whole by the server; the same command asks for them again.")
    with suppress(StoreUnavailableError):
        if waiting := await intake.count_waiting():
            line.print(f"{waiting:,} wait to be read.")
            if not await live_workers(redis):
                line.print("No worker is running; they are read as soon as one runs.")

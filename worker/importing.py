"""`run.py import`: takes mail that lies in a mailbox already, whatever the workers have taken of it.

Workers go on beside it: their checkpoints stay where they are, and what is known already is not taken twice.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace

from worker.access import Access
from worker.importer import Importer, Start
from worker.progress import Line
from worker.watch import Watch, watches
from workitems.errors import InvalidChangeError, LeaseLostError, StoreUnavailableError
from workitems.imports import Imports
from workitems.intake import Intake
from workitems.keepsake import Keepsake
from workitems.lease import Lease
from workitems.mailbox import Mailbox
from workitems.mailstore import MailStore
from workitems.redis import Client, connect
from workitems.settings import Settings
from workitems.tasks import end
from workitems.workers import alive


async def import_mail(
    settings: Settings, name: str, start: Start | None, folder: str | None, line: Line | None = None
) -> bool:
    """Import the folders of the mailbox *name*, or *folder* alone; True when all of it is taken.

    *start* None: go on with what was begun, else all. What happens is said on *line*. Raises TubepostError.
    """
    line, stop, access = line or Line(), asyncio.Event(), Access()
    folders = _folders(settings, name, folder)
    settings.check_files(name)
    async with AsyncExitStack() as parts:
        redis = connect(settings.redis_url, timeout=settings.redis.timeout)
        parts.push_async_callback(redis.aclose)
        mailstore = MailStore(settings.mail)
        parts.callback(mailstore.close)
        box = settings.mailboxes[name]
        after = {name: box.when} if box.after != "leave" else {}
        settle = Keepsake(redis, mailstore, history=settings.stream.history).settle
        intake = Intake(redis, mailstore, most=settings.intake.most, after=after, settle=settle)
        parts.enter_context(_interrupted(stop))
        await parts.enter_async_context(_alone(redis, name, settings.worker.lease, stop))
        importers = [
            Importer(
                watch,
                access,
                Imports(redis, name, watch.folder),
                Mailbox(redis, name, watch.folder),
                intake,
                line,
                stop,
                most=settings.intake.most,
            )
            for watch in folders
        ]
        try:
            whole = all([await importer.run(start) for importer in importers])
        except StoreUnavailableError:
            if not stop.is_set():
                raise
            whole = False
        await _summary(line, redis, intake, importers, whole=whole)
        return whole and not any(importer.counts.failed for importer in importers)


def _folders(settings: Settings, name: str, folder: str | None) -> list[Watch]:
    if name not in settings.mailboxes:
        raise InvalidChangeError(f"no such mailbox; set are: {', '.join(settings.mailboxes) or 'none'}")
    known = watches(name, settings.mailboxes[name], settings)
    if folder is None:
        return known
    return [each for each in known if each.folder == folder] or [replace(known[0], folder=folder, own=False)]


@contextmanager
def _interrupted(stop: asyncio.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set *stop*."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def _alone(redis: Client, name: str, seconds: float, stop: asyncio.Event) -> AsyncIterator[None]:
    """One import of a mailbox at a time; sets *stop* when another one has begun all the same."""
    lease = Lease(redis, f"import.{name}", f"{socket.gethostname()}-{os.getpid()}", seconds=seconds)
    if left := await lease.take():
        raise LeaseLostError(
            f"an import of {name} is under way already; should it have been killed, try again in {left:.0f} s"
        )

    async def renew() -> None:
        while not stop.is_set():
            await asyncio.sleep(seconds / 3)
            with suppress(StoreUnavailableError):
                if await lease.take():
                    stop.set()

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        await end(renewing)
        with suppress(StoreUnavailableError):
            await lease.release()


async def _summary(line: Line, redis: Client, intake: Intake, importers: list[Importer], *, whole: bool) -> None:
    """What came of it, and what is to be done."""
    new, known, failed = (sum(getattr(each.counts, name) for each in importers) for name in ("new", "known", "failed"))
    if not whole:
        taken, todo = sum(each.taken for each in importers), sum(each.todo for each in importers)
        line.say(f"Stopped after {taken:,} of {todo:,} mails. The same command goes on from there.")
    line.say(f"{new + known:,} mails taken: {new:,} new, {known:,} known already.")
    if failed:
        line.say(f"{failed:,} could not be had whole; the same command asks for them again.")
    with suppress(StoreUnavailableError):
        if waiting := await intake.waiting():
            line.say(f"{waiting:,} wait to be read.")
            if not await alive(redis):
                line.say("No worker is running; they are read as soon as one is.")

"""All mailboxes of a worker: what each of them is made of, and how they begin and end together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from worker.access import Access, Turns
from worker.afterwards import Afterwards, care_of
from worker.crew import Crew
from worker.poller import Poller
from worker.watch import watches
from worker.watching import Beside, Watcher
from workitems.aftercare import Aftercare
from workitems.errors import StoreUnavailableError
from workitems.intake import Intake
from workitems.keepsake import Keepsake
from workitems.lease import Lease
from workitems.log import get_logger
from workitems.mailbox import Mailbox
from workitems.redis import Client
from workitems.settings import MailboxSettings, Settings
from workitems.tasks import end, not_cancelled
from workitems.workers import REPORT, Report

log = get_logger("worker")

#: Seconds that pollers get to finish what is in hand, that mailboxes get to be given back as well, and that the last
#: word to Redis may take.
POLLERS_STOP, WATCHERS_STOP, LEAVE = 2.0, 5.0, 0.5


def dealt_with(settings: Settings) -> dict[str, str]:
    """Mailbox → when its mail is dealt with there; those that are left as they are are missing."""
    return {name: mailbox.when for name, mailbox in settings.mailboxes.items() if mailbox.after != "leave"}


def settled(settings: Settings) -> list[str]:
    """Mailboxes whose mail is dealt with when its item is closed."""
    return [name for name, when in dealt_with(settings).items() if when == "done"]


def watcher_of(
    name: str,
    mailbox: MailboxSettings,
    settings: Settings,
    redis: Client,
    intake: Intake,
    keepsake: Keepsake,
    worker: str,
    turns: Turns,
) -> Watcher:
    """One mailbox: its folders share lease and sign-in, and each has a connection of its own."""
    lease = Lease(redis, name, worker, seconds=settings.worker.lease)
    access = Access(turns)
    folders = watches(name, mailbox, settings)
    pollers = [
        Poller(
            watch, Mailbox(redis, name, watch.folder, lease, keepsake.first_sight), intake, access, worker=worker
        )
        for watch in folders
    ]  # fmt: skip
    beside: list[Beside] = []
    if care := care_of(name, mailbox, folders[0].account):
        beside.append(Afterwards(care, Aftercare(redis, name), lease, open_mailbox=access.connect).run)
    return Watcher(lease, pollers, beside)


@asynccontextmanager
async def watching(watchers: list[Watcher], crew: Crew) -> AsyncIterator[None]:
    """All mailboxes at once; they end together too, each after what it has in hand."""
    tasks = [crew.begin(f"mailbox {watcher.name}", watcher.run()) for watcher in watchers]
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.stop(POLLERS_STOP)
        if tasks:
            await asyncio.wait(tasks, timeout=WATCHERS_STOP)
        await end(*tasks)
        log.info("pollers stopped", mailboxes=len(watchers))


@asynccontextmanager
async def reporting(report: Report, watchers: list[Watcher], crew: Crew) -> AsyncIterator[None]:
    """Others see that this worker is alive, and what it does."""

    async def write() -> None:
        while not_cancelled():
            with suppress(StoreUnavailableError):
                await report.write(tuple(watcher.name for watcher in watchers if watcher.holds))
            await asyncio.sleep(REPORT)

    async with crew.at_work("report", write()):
        yield
    with suppress(StoreUnavailableError, TimeoutError):
        async with asyncio.timeout(LEAVE):
            await report.leave()

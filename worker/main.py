"""The worker process: started in one order, stopped in the reverse.

Redis ─ mail store ─ intake and items ─ reading children ─┬─ readers
                                                          ├─ repair, and what was kept long enough
                                                          ├─ each mailbox: its lease ─ a poller a folder ─ afterwards
                                                          └─ the report that we are alive
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvloop

from worker.access import Access, Turns
from worker.afterwards import Afterwards, care_of
from worker.poller import Poller
from worker.reader import Bounds, Reader
from worker.readings import READ_HEADERS, Readings
from worker.repairer import Repairer
from worker.retention import Retention
from worker.sandbox.limits import ChildLimits
from worker.sandbox.pool import READ_MAIL, Sandbox
from worker.watch import watches
from worker.watching import Beside, Watcher
from workitems import log as logs
from workitems.aftercare import Aftercare
from workitems.backoff import delay
from workitems.errors import StoreUnavailableError
from workitems.intake import Intake
from workitems.keepsake import Keepsake
from workitems.lease import Lease
from workitems.mailbox import Mailbox
from workitems.mailstore import MailStore
from workitems.redis import Client, available, connect
from workitems.settings import MailboxSettings, Settings
from workitems.store import Store
from workitems.tasks import end, not_cancelled
from workitems.workers import REPORT, Report

log = logs.get_logger("worker")

#: Seconds that pollers and readers get to finish what is in hand, that mailboxes get to be given back as well, and for
#: the last word to Redis. All of the stop stays below 10 s.
POLLERS_STOP, READERS_STOP, WATCHERS_STOP, LEAVE = 2.0, 3.0, 5.0, 0.5

#: Started children that take the places of those that a mail ends: a start takes half a second and more.
SPARES = 2

#: The longest wait in seconds for a Redis that is not there yet.
LONGEST_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class Functions:
    """What the reading children do with a mail, and with one of which the headers alone count; tests name their own."""

    whole: str = READ_MAIL
    headers: str = READ_HEADERS


def run(settings: Settings, functions: Functions | None = None) -> None:
    """Work until SIGTERM or SIGINT. Raises SettingsError when a file that a mailbox names is missing."""
    settings.check_files()
    logs.configure(settings.log)
    uvloop.run(_until_signalled(settings, functions or Functions()))


async def _until_signalled(settings: Settings, functions: Functions) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await work(settings, stop, functions)


async def work(settings: Settings, stop: asyncio.Event, functions: Functions) -> None:
    """Do all of a worker's work until *stop* is set."""
    consumer = consumer_name(settings)
    log.info("starting", consumer=consumer, mailboxes=len(settings.mailboxes))
    crew = Crew(stop)
    async with AsyncExitStack() as parts:
        redis = await _client(parts, settings)
        blocking = await _client(parts, settings, blocking=True)
        mailstore = MailStore(settings.mail)
        parts.callback(mailstore.close)
        keepsake = Keepsake(redis, mailstore, history=settings.stream.history)
        if not await _reached(redis, stop) or not await _joined(keepsake, stop):
            return
        intake = Intake(redis, mailstore, most=settings.intake.most, after=dealt_with(settings), settle=keepsake.settle)
        store = Store(redis, history=settings.stream.history, settled=settled(settings), reserve=keepsake.reserve)
        readings = await parts.enter_async_context(_children(settings, functions, stop))
        reader = Reader(
            intake, blocking, mailstore, store, readings, consumer=consumer,
            bounds=Bounds(seconds=settings.worker.read_seconds, abandoned=settings.worker.abandoned),
        )  # fmt: skip
        await parts.enter_async_context(_reading(reader, crew))
        await parts.enter_async_context(crew.at_work("repair", Repairer(redis, intake, keepsake.restore).run()))
        retention = Retention(redis, mailstore, keepsake.removal, settings.retention, worker=consumer)
        await parts.enter_async_context(crew.at_work("retention", retention.run()))
        turns = Turns()
        watchers = [
            _watcher(name, mailbox, settings, redis, intake, keepsake, consumer, turns)
            for name, mailbox in settings.mailboxes.items()
        ]
        await parts.enter_async_context(_reporting(Report(redis, consumer, os.getpid()), watchers, crew))
        await parts.enter_async_context(_watching(watchers, crew))
        if not stop.is_set():
            log.info("started")
        await stop.wait()
        log.info("stopping")
    log.info("stopped")
    if crew.failed:
        raise SystemExit(1)


class Crew:
    """The long-running tasks. None of them ends by itself: one that does ends the process, to be started anew."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.failed = False
        self._stop = stop

    @asynccontextmanager
    async def at_work(self, name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run *work* beside the others until the block ends."""
        task = self.begin(name, work)
        try:
            yield
        finally:
            await end(task)

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run *work* beside the others; the caller ends it."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("a part of the worker failed", part=task.get_name(), exc_info=error)
            self.failed = True
            self._stop.set()


def consumer_name(settings: Settings) -> str:
    """The stable name under which this worker takes mail: after a restart it finds what it left."""
    process = os.environ.get("TUBEPOST_PROCESS") or os.environ.get("SUPERVISOR_PROCESS_NAME") or "worker"
    return settings.worker.name or f"{socket.gethostname()}-{process}"


def rules(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Mailbox → field rules, for every mailbox that a setting names; `*` for those that only posts name."""
    named = {name for rule in settings.fields.values() for name in rule.mailboxes}
    found = {name: settings.rules(name) for name in (*sorted(named | settings.mailboxes.keys()), "*")}
    return {name: each for name, each in found.items() if each}


def dealt_with(settings: Settings) -> dict[str, str]:
    """Mailbox → when its mail is dealt with there; those that are left as they are are missing."""
    return {name: mailbox.when for name, mailbox in settings.mailboxes.items() if mailbox.after != "leave"}


def settled(settings: Settings) -> list[str]:
    """Mailboxes whose mail is dealt with when its item is closed."""
    return [name for name, when in dealt_with(settings).items() if when == "done"]


def _watcher(
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


async def _client(parts: AsyncExitStack, settings: Settings, *, blocking: bool = False) -> Client:
    client = connect(settings.redis_url, timeout=settings.redis.timeout, blocking=blocking)
    parts.push_async_callback(client.aclose)
    return client


async def _reached(redis: Client, stop: asyncio.Event) -> bool:
    """Wait until Redis answers, however long it takes; False when we are asked to stop before."""

    async def ping() -> None:
        with available():
            await redis.ping()

    return await _waited_for("Redis", ping, stop)


async def _joined(keepsake: Keepsake, stop: asyncio.Event) -> bool:
    """Wait until the mail store is there and is the one that Redis knows; False when we are asked to stop before."""
    return await _waited_for("the mail store", keepsake.settle, stop)


async def _waited_for(what: str, answers: Callable[[], Awaitable[object]], stop: asyncio.Event) -> bool:
    tries = 0
    while not stop.is_set():
        try:
            await answers()
        except StoreUnavailableError as error:
            if tries == 0:
                log.warning(f"waiting for {what}", reason=str(error))
        else:
            log.info(f"{what} answers")
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(delay(tries, cap=LONGEST_WAIT)):
                await stop.wait()
        tries += 1
    return False


@asynccontextmanager
async def _children(settings: Settings, functions: Functions, stop: asyncio.Event) -> AsyncIterator[Readings]:
    limits = ChildLimits(memory=settings.worker.read_memory)
    first = Sandbox(
        rules(settings), size=settings.worker.readers, spares=SPARES, limits=limits, function=functions.whole
    )
    careful = Sandbox(rules(settings), size=1, spares=0, slow=0, limits=limits, function=functions.whole)
    headers = Sandbox({}, size=1, spares=0, slow=0, limits=limits, function=functions.headers)
    try:
        await _unless(stop, first.start())
        if not stop.is_set():
            log.info("reading children started", children=settings.worker.readers)
        yield Readings(first, careful, headers)
    finally:
        await asyncio.gather(first.close(), careful.close(), headers.close())
        log.info("reading children ended")


async def _unless(stop: asyncio.Event, start: Coroutine[Any, Any, None]) -> None:
    """Await *start*, which may take a minute on a busy machine, but no longer than until *stop* is set."""
    starting, stopping = asyncio.create_task(start), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
    finally:
        await end(starting, stopping)


@asynccontextmanager
async def _reading(reader: Reader, crew: Crew) -> AsyncIterator[None]:
    try:
        async with crew.at_work("reader", reader.run()):
            yield
    finally:
        await reader.finish(READERS_STOP)
        log.info("readers stopped")


@asynccontextmanager
async def _watching(watchers: list[Watcher], crew: Crew) -> AsyncIterator[None]:
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
async def _reporting(report: Report, watchers: list[Watcher], crew: Crew) -> AsyncIterator[None]:
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

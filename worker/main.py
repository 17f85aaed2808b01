"""The worker process: started in one order, stopped in the reverse.

Redis ─ mail store ─ intake and items ─ reading children ─┬─ readers
                                                          ├─ repair, and what was kept long enough
                                                          ├─ each mailbox: its lease ─ a poller a folder ─ afterwards
                                                          └─ the report that we are alive
"""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvloop

from worker.access import Turns
from worker.crew import Crew
from worker.mailboxes import dealt_with, reporting, settled, watcher_of, watching
from worker.reader import Bounds, Reader
from worker.readings import READ_HEADERS, Readings
from worker.repairer import Repairer
from worker.retention import Retention
from worker.sandbox.limits import ChildLimits
from worker.sandbox.pool import READ_MAIL, Sandbox
from workitems import log as logs
from workitems.backoff import delay
from workitems.errors import StoreUnavailableError
from workitems.intake import Intake
from workitems.keepsake import Keepsake
from workitems.mailstore import MailStore
from workitems.redis import Client, available, connect
from workitems.settings import Settings
from workitems.store import Store
from workitems.tasks import end
from workitems.workers import Report

log = logs.get_logger("worker")

#: Seconds that readers get to finish what is in hand. With the mailboxes (worker/mailboxes.py) all of the stop stays
#: below 10 s.
READERS_STOP = 3.0

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
        # What is there by now stays to the end: the collector, which looked through it time and again, need not.
        gc.collect()
        gc.freeze()
        await parts.enter_async_context(_reading(reader, crew))
        await parts.enter_async_context(crew.at_work("repair", Repairer(redis, intake, keepsake.restore).run()))
        retention = Retention(redis, mailstore, keepsake.removal, settings.retention, worker=consumer)
        await parts.enter_async_context(crew.at_work("retention", retention.run()))
        turns = Turns()
        watchers = [
            watcher_of(name, mailbox, settings, redis, intake, keepsake, consumer, turns)
            for name, mailbox in settings.mailboxes.items()
        ]
        await parts.enter_async_context(reporting(Report(redis, consumer, os.getpid()), watchers, crew))
        await parts.enter_async_context(watching(watchers, crew))
        if not stop.is_set():
            log.info("started")
        await stop.wait()
        log.info("stopping")
    log.info("stopped")
    if crew.failed:
        raise SystemExit(1)


def consumer_name(settings: Settings) -> str:
    """The stable name under which this worker takes mail: after a restart it finds what it left."""
    process = os.environ.get("TUBEPOST_PROCESS") or os.environ.get("SUPERVISOR_PROCESS_NAME") or "worker"
    return settings.worker.name or f"{socket.gethostname()}-{process}"


def rules(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Mailbox → field rules, for every mailbox that a setting names; `*` for those that only posts name."""
    named = {name for rule in settings.fields.values() for name in rule.mailboxes}
    found = {name: settings.rules(name) for name in (*sorted(named | settings.mailboxes.keys()), "*")}
    return {name: each for name, each in found.items() if each}


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

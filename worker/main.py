"""The worker process. Its parts start in this order and stop in the reverse order:

Redis ─ mail store ─ intake and items ─ reading children ─┬─ reader
                                                          ├─ repair, users and keys, retention, rules, jobs
                                                          ├─ each mailbox: lease ─ a poller a folder ─ after-actions
                                                          └─ worker heartbeat
"""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvloop

from worker.jobs.assembly import job_runners
from worker.mailboxes.assembly import (
    after_action_triggers,
    mailboxes_acting_on_close,
    make_watcher,
    running_heartbeat,
    running_watchers,
)
from worker.mailboxes.connections import HostConnectLimiter
from worker.publishing.field_results import expected_by_mailbox
from worker.publishing.intake_reader import IntakeReader, ReaderLimits
from worker.publishing.publication import ReceivingMailbox
from worker.publishing.reading_metrics import ReadingMetrics
from worker.publishing.version_reader import READ_HEADERS, VersionReader
from worker.sandbox.frames import GENERAL, EncodedRules
from worker.sandbox.limits import ChildLimits
from worker.sandbox.pool import READ_MAIL, Sandbox
from worker.service_tasks import ServiceTasks
from worker.upkeep.repair import Repairer
from worker.upkeep.retention import Retention
from worker.upkeep.rules_reload import RulesReload
from worker.upkeep.store_size import StoreSize
from workitems.base import log as logs
from workitems.base.errors import StoreError
from workitems.base.redis import RedisClient, connect
from workitems.base.retry import retry_until_available
from workitems.base.tasks import cancel_and_wait
from workitems.base.threads import end_if_work_hangs
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.people.account_upkeep import AccountUpkeep
from workitems.queue.store import ItemStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings
from workitems.status.heartbeats import HeartbeatWriter
from workitems.status.probe import probe
from workitems.status.process_metrics import ProcessMetrics
from workitems.status.redis_watch import RedisWatch
from workitems.status.sample_socket import serving_samples

log = logs.get_logger("worker")

#: Seconds for the reader to finish the mails in progress. With the time for the mailboxes
#: (worker/mailboxes/assembly.py), the whole stop stays below 10 s.
READERS_STOP = 3.0

#: Seconds that each step waits for the mail store's disk; then it is repeated later. Nobody waits for the answer, and
#: a slow disk needs time for many mails at once.
DISK_SECONDS = 30.0

#: Started children that replace those that a mail ends: a start takes half a second or more.
SPARE_CHILDREN = 2

#: By how much the children of the careful lane give way to those of the first lane, as nice(2) counts: on a processor
#: that two of them want, the other one gets three quarters.
CAREFUL_NICE = 5


@dataclass(frozen=True, slots=True)
class ChildFunctions:
    """The functions that read a whole mail and only its headers. Tests name their own."""

    whole: str = READ_MAIL
    headers: str = READ_HEADERS


def run(settings: Settings, functions: ChildFunctions | None = None) -> None:
    """Work until SIGTERM or SIGINT, and end even if threads hang with a disk: what they wrote is whole or absent.

    Raises SettingsError when a file that a mailbox names is missing.
    """
    settings.check_files()
    logs.configure(settings.log)
    try:
        uvloop.run(_until_signalled(settings, functions or ChildFunctions()))
    finally:
        end_if_work_hangs(log)


async def _until_signalled(settings: Settings, functions: ChildFunctions) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_worker(settings, stop, functions)


async def run_worker(settings: Settings, stop: asyncio.Event, functions: ChildFunctions) -> None:
    """Run all parts of the worker until *stop* is set."""
    consumer = consumer_name(settings)
    log.info("starting", consumer=consumer, mailboxes=len(settings.mailboxes))
    service_tasks = ServiceTasks(stop)
    async with AsyncExitStack() as parts:
        redis = await _client(parts, settings)
        blocking = await _client(parts, settings, blocking=True)
        mailstore = MailStore(settings.mail_folder, seconds=DISK_SECONDS)
        parts.callback(mailstore.close)
        reading_metrics, store_size = ReadingMetrics(), StoreSize(mailstore)
        reading_metrics.expect_fields(expected_by_mailbox(rules(settings)))
        rules_reload = RulesReload(settings, rules)
        parts.callback(rules_reload.close)
        own_metrics = ProcessMetrics(process_name(), reading_metrics, store_size, rules_reload)
        parts.callback(own_metrics.close)
        await parts.enter_async_context(serving_samples(settings.runtime_folder, own_metrics))
        durable_state = DurableState(redis, mailstore, max_events=settings.stream.max_feed_events)
        redis_watch = RedisWatch(redis)
        if not await _wait_for_redis(redis, redis_watch, stop) or not await _wait_for_mail_store(durable_state, stop):
            return
        intake = Intake(
            redis,
            mailstore,
            max_waiting=settings.intake.max_waiting,
            after_action_on=after_action_triggers(settings),
            reconcile=durable_state.reconcile,
            require_safe=redis_watch.require_safe,
        )
        store = ItemStore(
            redis,
            max_events=settings.stream.max_feed_events,
            act_on_close=mailboxes_acting_on_close(settings),
            reserve=durable_state.reserve_references,
        )
        readings = await parts.enter_async_context(_children(settings, functions, stop))
        reader = IntakeReader(
            ConsumerGroup(redis),
            blocking,
            mailstore,
            store,
            readings,
            consumer=consumer,
            limits=ReaderLimits(
                read_seconds=settings.worker.retry_read_seconds,
                min_idle_seconds=settings.worker.abandoned_after_seconds,
                careful_mails=settings.worker.reading_children,
            ),
            metrics=reading_metrics,
        )
        # All objects up to here live until the end, so the garbage collector need not examine them each time.
        gc.collect()
        gc.freeze()

        async def use_rules(changed: EncodedRules) -> None:
            await readings.use_rules(changed)
            reading_metrics.expect_fields(expected_by_mailbox(changed))

        await parts.enter_async_context(service_tasks.running("rules", rules_reload.run(use_rules)))
        await parts.enter_async_context(_reading(reader, service_tasks))
        repairer = Repairer(
            redis, intake, durable_state.reapply_removals, count_evictions=redis_watch.count_repairable_evictions
        )
        await parts.enter_async_context(service_tasks.running("repair", repairer.run()))
        accounts = durable_state.open_accounts()
        parts.callback(accounts.close)
        await parts.enter_async_context(service_tasks.running("accounts", AccountUpkeep(accounts).run()))
        retention = Retention(redis, mailstore, durable_state.removal, settings.retention, worker=consumer)
        await parts.enter_async_context(service_tasks.running("retention", retention.run()))
        await parts.enter_async_context(service_tasks.running("store size", store_size.run()))
        for runner in job_runners(
            redis, mailstore, store, settings, rules, lambda: rules_reload.rules, worker=consumer
        ):
            await parts.enter_async_context(service_tasks.running("jobs", runner.run()))
        connect_limiter = HostConnectLimiter()
        watchers = [
            make_watcher(name, mailbox, settings, redis, intake, durable_state, consumer, connect_limiter)
            for name, mailbox in settings.mailboxes.items()
        ]
        await parts.enter_async_context(
            running_heartbeat(
                HeartbeatWriter(redis, consumer, os.getpid(), settings.host),
                watchers,
                service_tasks,
                get_rules_report=lambda: (rules_reload.error, rules_reload.digest),
            )
        )
        await parts.enter_async_context(running_watchers(watchers, service_tasks))
        if not stop.is_set():
            log.info("started")
        await stop.wait()
        log.info("stopping")
    log.info("stopped")
    if service_tasks.failed:
        raise SystemExit(1)


def consumer_name(settings: Settings) -> str:
    """Return the worker's stable consumer name: after a restart it finds its unfinished mail under it."""
    process = os.environ.get("TUBEPOST_PROCESS") or os.environ.get("SUPERVISOR_PROCESS_NAME") or "worker"
    return settings.worker.name or f"{settings.host}-{process}"


def process_name() -> str:
    """Return the name of this process on its host, for its metrics."""
    name = os.environ.get("TUBEPOST_PROCESS") or os.environ.get("SUPERVISOR_PROCESS_NAME")
    return name or f"worker-{os.getpid()}"


def rules(settings: Settings) -> dict[str, list[dict[str, Any] | str]]:
    """Return mailbox → field rules, for every mailbox in the settings; `*` is for all others, used by uploads."""
    named = {name for rule in settings.fields.values() for name in rule.all_mailboxes}
    general = [GENERAL] if settings.reading.general else []
    return {name: [*settings.field_rules(name), *general] for name in (*sorted(named | settings.mailboxes.keys()), "*")}


async def _client(parts: AsyncExitStack, settings: Settings, *, blocking: bool = False) -> RedisClient:
    client = connect(settings.redis_url, timeout=settings.redis.timeout_seconds, blocking=blocking)
    parts.push_async_callback(client.aclose)
    return client


async def _wait_for_redis(redis: RedisClient, redis_watch: RedisWatch, stop: asyncio.Event) -> bool:
    """Wait without a time limit until Redis can do all that we need; log what is wrong with it.

    Return False when *stop* is set before.
    """

    async def attempt() -> None:
        await probe(redis)
        await redis_watch.refresh()

    return await _wait_until_available("Redis", attempt, stop)


async def _wait_for_mail_store(durable_state: DurableState, stop: asyncio.Event) -> bool:
    """Wait until the mail store is available and is the one that Redis knows. Return False when *stop* is set."""
    return await _wait_until_available("the mail store", durable_state.reconcile, stop)


async def _wait_until_available(name: str, check: Callable[[], Awaitable[object]], stop: asyncio.Event) -> bool:
    """Repeat *check* until it succeeds, and log each new reason. Return False when *stop* is set before."""
    last = ""

    async def log_reason(reason: str) -> None:
        nonlocal last
        if reason != last:
            log.warning(f"waiting for {name}", reason=reason)
        last = reason

    with suppress(StoreError):
        await retry_until_available(check, stop, errors=(StoreError,), on_failure=log_reason)
        log.info(f"{name} is available")
    return not stop.is_set()


@asynccontextmanager
async def _children(settings: Settings, functions: ChildFunctions, stop: asyncio.Event) -> AsyncIterator[VersionReader]:
    limits = ChildLimits(max_memory_bytes=settings.worker.read_memory_bytes)
    first = Sandbox(
        rules(settings),
        size=settings.worker.reading_children,
        spares=SPARE_CHILDREN,
        limits=limits,
        function=functions.whole,
    )
    careful = Sandbox(
        rules(settings),
        size=settings.worker.reading_children,
        spares=0,
        nice=CAREFUL_NICE,
        limits=limits,
        function=functions.whole,
    )
    headers = Sandbox({}, size=1, spares=0, limits=limits, function=functions.headers)
    try:
        await _start_unless_stopped(stop, first.start())
        if not stop.is_set():
            log.info("reading children started", children=settings.worker.reading_children)
        mailboxes = {
            name: ReceivingMailbox(mailbox.authentication_server, mailbox.team_addresses)
            for name, mailbox in settings.mailboxes.items()
        }
        yield VersionReader(first, careful, headers, mailboxes=mailboxes, rules=rules(settings))
    finally:
        await asyncio.gather(first.close(), careful.close(), headers.close())
        log.info("reading children stopped")


async def _start_unless_stopped(stop: asyncio.Event, start: Coroutine[Any, Any, None]) -> None:
    """Await *start* until *stop* is set: a start may take a minute on a busy machine."""
    starting, stopping = asyncio.create_task(start), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
    finally:
        await cancel_and_wait(starting, stopping)


@asynccontextmanager
async def _reading(reader: IntakeReader, service_tasks: ServiceTasks) -> AsyncIterator[None]:
    try:
        async with service_tasks.running("reader", reader.run()):
            yield
    finally:
        await reader.drain(READERS_STOP)
        log.info("readers stopped")

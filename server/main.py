"""Run one server process: make its parts, start them in order, and stop them in the reverse order."""

import asyncio
import gc
import os
import signal
import socket
import stat
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from tornado.netutil import bind_sockets
from tornado.routing import Router

from server.access.authentication import Authenticator
from server.access.signing_key import load_signing_key
from server.app import make_application
from server.connections.http_server import ConnectionServer, max_per_address
from server.connections.listener import Listener, first_request_descriptor, raise_descriptor_limit
from server.context import Context
from server.http.body_limit import MAX_BODY_BYTES
from server.intake.sources.pinned_https import PinnedHttpsClient
from server.intake.sources.registry import SourceRegistry
from server.intake.uploads import Uploads
from server.status.host_metrics import HostMetrics
from server.status.mail_store_check import MailStoreCheck
from server.status.monitor import Monitor
from server.status.process_stats import ProcessStats
from server.status.readiness import ReadinessCheck
from server.status.stream_metrics import (
    REFUSED_TRIES,
    UPLOADS,
    CountCollector,
    PartCollector,
    RedisCollector,
    StreamCollector,
)
from server.stream.connection_limits import StreamLimits
from server.stream.drain import drain
from server.stream.feed_reader import FeedReader
from server.stream.hub import Hub
from server.stream.revocation import RevocationChecker
from server.stream.stream_opener import StreamOpener
from workitems.base import redis as redis_connection
from workitems.base.errors import SettingsError
from workitems.base.log import configure, get_logger
from workitems.base.tasks import cancel_and_wait
from workitems.base.threads import end_if_work_hangs
from workitems.intake.put import Intake
from workitems.intake.spool import Spool
from workitems.jobs.job import Jobs
from workitems.mailstore.store import MailStore
from workitems.people.account_upkeep import AccountUpkeep
from workitems.people.accounts import Accounts
from workitems.queue.store import ItemStore
from workitems.queue.submissions import Submissions
from workitems.recovery.durable_state import DurableState
from workitems.recovery.restore_mark import wait_for_restore
from workitems.settings import Settings
from workitems.status.process_metrics import ProcessMetrics
from workitems.status.redis_watch import RedisWatch
from workitems.status.sample_socket import serving_samples

log = get_logger("server")

#: Connections that may wait to be accepted: after an outage all clients return at once. supervisord.conf has the same.
BACKLOG = 4096

#: Seconds that a process waits for the feed. Then it accepts clients without it, so that they learn what is wrong.
_FEED_TIMEOUT = 5.0

#: Thresholds of the garbage collector's three generations. At 10,000 streams, collecting the first two holds the loop
#: for 1 and 6 ms. All three take 130 ms, and Python's defaults did that whenever a quarter more clients had come.
#: Hardly any object of ours is ever in a cycle, so hours may pass between full collections.
_GC_THRESHOLDS = (2_000, 3, 1_000)

#: Bytes of request headers.
_HEADERS = 16 * 1024

#: Seconds that a request waits for the mail store's disk; and for the disk to take a piece of an upload, or to have all
#: of it on the disk. Then it is answered 503.
_DISK_SECONDS, _SPOOL_SECONDS = 10.0, 30.0

#: Seconds that the requests of a process may take to be answered once it stops.
_ANSWER_SECONDS = 10.0


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, and end even if threads hang with a disk: what they wrote is whole or absent."""
    configure(settings.log)
    try:
        uvloop.run(serve(settings))
    finally:
        end_if_work_hangs(log)


#: Makes the router for the requests; the stack ends whatever the router starts.
ApplicationFactory = Callable[[Context, AsyncExitStack], Router]


async def serve(settings: Settings, build: ApplicationFactory = lambda context, _: make_application(context)) -> None:
    """Start everything, wait for a signal, and stop in the reverse order. SystemExit(1) when a loop failed."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        context, feed_reader = await build_context(settings, stack)
        await stack.enter_async_context(serving_samples(settings.runtime_folder, context.metrics.own))
        revocation = RevocationChecker(context.hub, context.auth, scope="read")
        loops = (context.hub.run, feed_reader.run, context.stats.run, context.monitor.run, revocation.run)
        tasks = run_loops(stop, *loops, AccountUpkeep(context.auth.accounts).run, stack=stack)
        server = ConnectionServer(
            build(context, stack),
            max_per_address=max_per_address(settings.server.max_connections_per_address, context.max_descriptors),
            trusted_proxies=settings.server.trusted_proxies,
            counts=context.stats.connections,
            max_header_size=_HEADERS,
            idle_connection_timeout=75,
            body_timeout=120,
            max_body_size=MAX_BODY_BYTES,
        )
        tasks += run_loops(stop, server.run, stack=stack)
        gc.collect()  # objects that live as long as the process are not collected again: that held the loop
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        sockets = [Listener(each, context.max_descriptors, server.close_unused) for each in listening_sockets(settings)]
        log.info("starting", process=context.process)
        if settings.server.trusted_proxies and not settings.server.hosts:
            log.warning("requests that name a host are refused: set server.hosts to the names that browsers use")
        await wait_for_restore(context.redis, stop, lambda why: log.warning("waiting for a restore", reason=why))
        await wait_for_feed(context.hub, stop)
        server.add_sockets(sockets)
        log.info("listening", process=context.process, address="{}:{}".format(*sockets[0].getsockname()))
        context.stats.is_accepting = True
        await context.stats.report()
        await stop.wait()
        log.info("stopping", streams=len(context.hub.open_streams))
        server.stop()
        context.stats.is_accepting = False
        await asyncio.gather(
            context.stats.report(),  # at once: a restart of other processes must not count on this one
            drain(context.hub, settings.stream.drain_seconds),
            server.finish_requests(_ANSWER_SECONDS),
        )
        await context.stats.withdraw_report()
        await server.close_all_connections()
    log.info("stopped")
    if not all(task.cancelling() for task in tasks):
        raise SystemExit(1)


async def wait_for_feed(hub: Hub, stop: asyncio.Event) -> None:
    """Wait for the feed or for *stop*. Without the feed we would refuse clients that another process could take.

    Clients that only we can take wait in the socket's backlog.
    """
    waiting = [asyncio.create_task(event.wait()) for event in (hub.ready, stop)]
    await asyncio.wait(waiting, timeout=_FEED_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
    await cancel_and_wait(*waiting)


async def build_context(settings: Settings, stack: AsyncExitStack) -> tuple[Context, FeedReader]:
    """Make the parts of the process. *stack* closes those that hold something open."""
    url, timeout = settings.redis_url, settings.redis.timeout_seconds
    redis = redis_connection.connect(url, timeout=timeout)
    blocking = redis_connection.connect(url, timeout=timeout, blocking=True, max_connections=2)
    mailstore = MailStore(settings.mail_folder, seconds=_DISK_SECONDS)
    stack.callback(mailstore.close)
    stack.push_async_callback(redis.aclose)
    stack.push_async_callback(blocking.aclose)
    hub = Hub(settings.stream, clock=asyncio.get_running_loop().time)
    max_descriptors = raise_descriptor_limit()
    limits = StreamLimits(settings.stream, max_descriptor=first_request_descriptor(max_descriptors))
    feed_reader = FeedReader(hub, redis, blocking)
    process = os.environ.get("SUPERVISOR_PROCESS_NAME") or f"server-{os.getpid()}"
    spool = Spool(settings.mail_folder, mailstore.marker.check, seconds=_SPOOL_SECONDS)
    stack.callback(spool.close)
    durable_state = DurableState(redis, mailstore, max_events=settings.stream.max_feed_events)
    accounts = durable_state.open_accounts()
    stack.callback(accounts.close)
    redis_watch = RedisWatch(redis)
    intake = Intake(
        redis,
        mailstore,
        max_waiting=settings.intake.max_waiting,
        reconcile=durable_state.reconcile,
        require_safe=redis_watch.require_safe,
    )
    act_on_close = [
        name
        for name, mailbox in settings.mailboxes.items()
        if mailbox.after_action != "leave" and mailbox.after_action_on == "done"
    ]
    stats = ProcessStats(process, settings.host, redis, hub, limits, feed_reader)
    monitor = Monitor(redis, hub, settings.mailboxes, redis_watch)
    mail_store_check = MailStoreCheck(mailstore, settings.data)
    stack.callback(mail_store_check.close)
    readiness = ReadinessCheck(hub, stats, monitor, mail_store_check)
    sources = SourceRegistry(settings.sources, redis, PinnedHttpsClient())
    stack.callback(sources.close)
    uploads = Uploads(spool, intake, most=settings.intake.max_waiting, largest=settings.intake.max_mail_bytes)
    stack.callback(uploads.close)
    auth = _make_authenticator(settings, accounts)
    collectors = (
        StreamCollector(stats),
        CountCollector(*UPLOADS, sources.counts),
        CountCollector(*REFUSED_TRIES, auth.refused.counts),
        PartCollector(readiness),
        RedisCollector(redis_watch),
    )
    own_metrics = ProcessMetrics(process, *collectors, refresh=readiness.check)
    stack.callback(own_metrics.close)
    max_events, reserve = settings.stream.max_feed_events, durable_state.reserve_references
    store = ItemStore(redis, max_events=max_events, act_on_close=act_on_close, reserve=reserve)
    context = Context(
        settings=settings,
        process=process,
        redis=redis,
        store=store,
        submissions=Submissions(redis, store, max_events=max_events, reserve=reserve),
        intake=intake,
        uploads=uploads,
        sources=sources,
        mailstore=mailstore,
        removal=durable_state.removal,
        jobs=Jobs(redis),
        rules_turn=asyncio.Semaphore(1),
        hub=hub,
        stream_opener=StreamOpener(hub, redis),
        stats=stats,
        monitor=monitor,
        readiness=readiness,
        metrics=HostMetrics(own_metrics, settings, redis, readiness, mail_store_check),
        max_descriptors=max_descriptors,
        stream_limits=limits,
        auth=auth,
    )
    return context, feed_reader


def _make_authenticator(settings: Settings, accounts: Accounts) -> Authenticator:
    return Authenticator(
        accounts,
        secret=load_signing_key(settings),
        token=settings.token.get_secret_value() if settings.token else None,
        session_days=settings.server.session_days,
        proxies=settings.server.trusted_proxies,
    )


def run_loops(
    stop: asyncio.Event, *loops: Callable[[], Coroutine[Any, Any, None]], stack: AsyncExitStack
) -> list["asyncio.Task[None]"]:
    """Run the endless loops of the process. One that ends is a fault: it is logged, and the process stops."""

    def on_end(task: "asyncio.Task[None]") -> None:
        if not task.cancelling():  # else the stack cancelled it
            error = None if task.cancelled() else task.exception()
            log.error("a part of the process failed", part=task.get_name(), exc_info=error)
            stop.set()

    tasks = [asyncio.create_task(loop(), name=loop.__qualname__) for loop in loops]
    for task in tasks:
        task.add_done_callback(on_end)
    stack.push_async_callback(cancel_and_wait, *tasks)
    return tasks


def listening_sockets(settings: Settings) -> list[socket.socket]:
    """Return supervisord's socket when it is our standard input, else bind our own.

    An fcgi-program of supervisord shares one socket among its processes. Raises SettingsError.
    """
    if stat.S_ISSOCK(os.fstat(0).st_mode):
        shared = socket.socket(fileno=os.dup(0))
        if shared.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            shared.setblocking(False)
            return [shared]
        shared.close()
    host, port = settings.server.host, settings.server.port
    try:
        return bind_sockets(port, host, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(f"server.host, server.port: {host}:{port} cannot be used: {error.strerror}") from None

"""One server process: what it is made of, in which order it starts, and how it ends."""

import asyncio
import gc
import os
import signal
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.routing import Router

from server.app import application
from server.auth import Auth
from server.context import Context
from server.hub import Hub
from server.limits import Limits
from server.listener import Listener, raise_limit
from server.monitor import Monitor
from server.posting import Desk
from server.resume import Resume
from server.revocation import Revocation
from server.secret import signing_secret
from server.sources.known import Sources
from server.sources.pinned import PinnedHost
from server.stats import Stats
from server.subscriber import Subscriber
from workitems import redis as redis_connection
from workitems.errors import SettingsError
from workitems.incoming import Spool
from workitems.intake import Intake
from workitems.keepsake import Keepsake
from workitems.log import configure, get_logger
from workitems.mailstore import MailStore
from workitems.people import People
from workitems.settings import Settings
from workitems.store import Store
from workitems.tasks import end

log = get_logger("server")

#: Connections that may wait to be accepted: after a cut everybody comes back at once. supervisord.conf has the same.
BACKLOG = 4096

#: Seconds that a process waits for the feed before it lets clients in all the same, to be told what is wrong.
_PATIENCE = 5.0

#: When the garbage collector looks through what is new, what is no longer quite new, and everything. At 10,000 streams
#: the first two hold the loop for 1 and 6 ms. Everything takes 130 ms, which Python's own numbers asked for whenever a
#: quarter more clients had come; hardly anything of ours is ever in a cycle, so that hours may go by between.
_COLLECT = (2_000, 3, 1_000)

#: Bytes of request headers and of what is read ahead of a handler.
_HEADERS = 64 * 1024

#: Bytes of a body that is held in memory.
_BODY = 1024 * 1024


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure(settings.log)
    uvloop.run(serve(settings))


#: Makes what answers the requests; what it has running of its own, the stack ends.
Build = Callable[[Context, AsyncExitStack], Router]


async def serve(settings: Settings, build: Build = lambda context, _: application(context)) -> None:
    """Start everything, wait for the end, stop in the reverse order."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        context, subscriber = await assemble(settings, stack)
        revocation = Revocation(context.hub, context.auth, scope="read")
        failed = stop_when_done(
            stop,
            context.hub.run,
            subscriber.run,
            context.stats.run,
            context.monitor.run,
            revocation.run,
            stack=stack,
        )
        server = HTTPServer(
            build(context, stack),
            max_header_size=_HEADERS,
            idle_connection_timeout=75,
            body_timeout=120,
            # Posted mail has its own bound; nothing else is ever large, and anybody may begin to send.
            max_body_size=_BODY,
        )
        gc.collect()  # what lives as long as the process is not looked through again and again: that held the loop
        gc.freeze()
        gc.set_threshold(*_COLLECT)
        most = raise_limit()
        sockets = [Listener(each, most) for each in listening_sockets(settings)]
        log.info("starting", process=context.process)
        await until_known(context.hub, stop)
        server.add_sockets(sockets)
        log.info("listening", process=context.process, address="{}:{}".format(*sockets[0].getsockname()))
        await stop.wait()
        log.info("stopping", streams=len(context.hub.open))
        server.stop()
        await context.hub.drain(settings.stream.drain)
        await context.stats.leave()
        await server.close_all_connections()
    log.info("stopped")
    for task in failed:
        if task.done() and not task.cancelled() and task.exception() is not None:
            raise SystemExit(1)


async def until_known(hub: Hub, stop: asyncio.Event) -> None:
    """Wait for the feed, or the end: whoever came in before would be sent away, while a sibling has room.

    Clients that reach us alone wait in the socket's backlog.
    """
    waiting = [asyncio.create_task(event.wait()) for event in (hub.ready, stop)]
    await asyncio.wait(waiting, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    await end(*waiting)


async def assemble(settings: Settings, stack: AsyncExitStack) -> tuple[Context, Subscriber]:
    """Make the process's parts; *stack* closes those that hold something open."""
    url, timeout = settings.redis_url, settings.redis.timeout
    redis = redis_connection.connect(url, timeout=timeout)
    blocking = redis_connection.connect(url, timeout=timeout, blocking=True, most=2)
    mailstore = MailStore(settings.mail)
    stack.callback(mailstore.close)
    stack.push_async_callback(redis.aclose)
    stack.push_async_callback(blocking.aclose)
    hub = Hub(settings.stream, clock=asyncio.get_running_loop().time)
    limits = Limits(settings.stream)
    subscriber = Subscriber(hub, redis, blocking)
    process = os.environ.get("SUPERVISOR_PROCESS_NAME") or f"server-{os.getpid()}"
    people = People(redis)
    spool = Spool(settings.mail)
    stack.callback(spool.close)
    stack.callback(people.close)
    keepsake = Keepsake(redis, mailstore, history=settings.stream.history)
    intake = Intake(redis, mailstore, most=settings.intake.most, settle=keepsake.settle)
    settled = [name for name, box in settings.mailboxes.items() if box.after != "leave" and box.when == "done"]
    context = Context(
        settings=settings,
        process=process,
        redis=redis,
        store=Store(redis, history=settings.stream.history, settled=settled, reserve=keepsake.reserve),
        intake=intake,
        desk=Desk(spool, intake, most=settings.intake.most, largest=settings.intake.largest),
        sources=Sources(settings.sources, redis, PinnedHost()),
        mailstore=mailstore,
        removal=keepsake.removal,
        hub=hub,
        resume=Resume(hub, redis),
        stats=Stats(process, redis, hub, limits, subscriber),
        monitor=Monitor(redis, hub, settings.mailboxes),
        limits=limits,
        auth=Auth(
            people,
            secret=signing_secret(settings),
            token=settings.token.get_secret_value() if settings.token else None,
            session_days=settings.server.session_days,
        ),
    )
    return context, subscriber


def stop_when_done(
    stop: asyncio.Event, *loops: Callable[[], Awaitable[None]], stack: AsyncExitStack
) -> list["asyncio.Task[None]"]:
    """Run the process's endless loops; one that ends is a fault, logged, and ends the process for a fresh start."""

    async def watched(loop: Callable[[], Awaitable[None]]) -> None:
        try:
            await loop()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("a part of the process failed", part=loop.__qualname__)
            stop.set()
            raise

    tasks = [asyncio.create_task(watched(loop)) for loop in loops]

    stack.push_async_callback(end, *tasks)
    return tasks


def listening_sockets(settings: Settings) -> list[socket.socket]:
    """Supervisord's socket when standard input is one (an fcgi-program shares it among its processes), else our own."""
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

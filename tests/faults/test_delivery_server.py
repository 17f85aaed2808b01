"""Two hundred clients while server processes die, end and are replaced, as supervisord does it: one shared socket."""

import asyncio
import socket
import time
from collections.abc import Callable
from configparser import ConfigParser

from tests.faults.checker import Verdict
from tests.faults.delivery import CLIENTS, MARKS, SECONDS, STREAM, Delivery
from tests.support.program import PROJECT, Program
from tests.support.redis_server import RedisServer
from workitems.settings.services import StreamSettings

Start = Callable[..., Program]

#: Seconds over which a process hands its streams on.
DRAIN = 3.0

#: Seconds beyond that in which it must have ended, on a busy machine.
MARGIN = 6.0

pytestmark = MARKS


async def started(start_server: Start, shared: socket.socket) -> Program:
    """One more process on the shared socket, once it accepts."""
    more = f"{STREAM}drain = {DRAIN}\n"
    return await asyncio.to_thread(lambda: start_server(more, listening=shared))


async def test_server_processes_that_are_killed(
    own_redis: RedisServer, start_server: Start, shared: socket.socket
) -> None:
    processes = [await started(start_server, shared) for _ in range(2)]
    async with Delivery(processes[0].port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            for process in processes:
                await asyncio.sleep(SECONDS / 4)
                process.kill()
                await asyncio.sleep(SECONDS / 4)
                await started(start_server, shared)
        measured = await delivery.check("kill -9 of one server process, then of the other")
    assert measured.verdict == Verdict(told=measured.clients * measured.events)
    assert measured.reconnects >= measured.clients / 2, "for this test to mean anything"
    assert measured.resets == 0


async def test_a_lone_server_process_that_is_killed(own_redis: RedisServer, start_server: Start) -> None:
    server = start_server(STREAM)
    async with Delivery(server.port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            await asyncio.sleep(SECONDS / 4)
            server.kill()
            await asyncio.sleep(1)
            await asyncio.to_thread(server.start().ready)
            await asyncio.sleep(SECONDS / 4)
        measured = await delivery.check("kill -9 of the only server process")
    assert measured.verdict == Verdict(told=measured.clients * measured.events)
    assert measured.reconnects >= measured.clients
    assert measured.resets == 0


async def test_a_rolling_restart_of_two_refuses_nobody(
    own_redis: RedisServer, start_server: Start, shared: socket.socket
) -> None:
    processes = [await started(start_server, shared) for _ in range(2)]
    async with Delivery(processes[0].port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            for process in processes:
                process.terminate()
                assert await asyncio.to_thread(process.wait, DRAIN + MARGIN) == 0
                await started(start_server, shared)
        measured = await delivery.check("rolling restart of two server processes")
        retries = [retry for each in delivery.followers for retry, _ in each.rotated]
    assert measured.verdict == Verdict(told=measured.clients * measured.events)
    assert measured.refused == 0
    assert measured.resets == 0
    assert sum(each.reconnects for each in measured.of("rotating", "stream.js")) == 0, (
        "who rotates is never without a stream"
    )
    assert len(retries) >= measured.clients / 2, "for this test to mean anything"
    assert len(set(retries)) > len(retries) * 0.8, "each stream has its own"


async def test_a_process_ends_in_time_though_nobody_leaves(own_redis: RedisServer, start_server: Start) -> None:
    """Two hundred streams of plain clients: told to rotate one after another, and ended before supervisord kills."""
    server = start_server(f"{STREAM}drain = {DRAIN}\n")
    async with Delivery(server.port, own_redis.url, plain=True) as delivery:
        begun = time.monotonic()
        server.terminate()
        assert await asyncio.to_thread(server.wait, DRAIN + MARGIN) == 0
        lasted = time.monotonic() - begun
        told = sorted(at for each in delivery.followers for _, at in each.rotated)
        lines = [each.ended for each in delivery.followers]
    assert len(told) == CLIENTS
    assert lasted < DRAIN + MARGIN
    assert told[-1] - told[0] > DRAIN / 3, "at a steady pace, not all at once"
    assert all(line is not None and line.whole for line in lines), "each response is whole"


def test_supervisord_waits_longer_than_a_drain_may_last() -> None:
    supervisord = ConfigParser(interpolation=None)
    supervisord.read(PROJECT / "supervisord.conf")
    waits = supervisord.getfloat("fcgi-program:server", "stopwaitsecs")
    assert waits > StreamSettings().drain + 2 * MARGIN

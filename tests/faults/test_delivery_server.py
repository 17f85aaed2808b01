"""Two hundred clients while server processes on one socket are killed, stopped and replaced, as by supervisord."""

import asyncio
import socket
import time
from collections.abc import Callable
from configparser import ConfigParser

from tests.faults.checker import Verdict
from tests.faults.delivery import CLIENTS, MARKS, SECONDS, STREAM, Delivery
from tests.support.program import PROJECT, Program
from tests.support.redis_server import RedisServer
from workitems.settings.redis_and_server import StreamSettings

Start = Callable[..., Program]

#: Seconds over which a process drains.
DRAIN = 3.0

#: Seconds until a process must end after its drain: on a busy machine, and under supervisord.
PATIENCE, MARGIN = 40.0, 6.0

pytestmark = MARKS


async def started(start_server: Start, shared: socket.socket) -> Program:
    """Start one more process on the shared socket. Wait until it accepts clients."""
    more = f"{STREAM}drain_seconds = {DRAIN}\n"
    return await asyncio.to_thread(lambda: start_server(more, listening=shared))


async def test_server_processes_are_killed(own_redis: RedisServer, start_server: Start, shared: socket.socket) -> None:
    processes = [await started(start_server, shared) for _ in range(2)]
    async with Delivery(processes[0].port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            for process in processes:
                await asyncio.sleep(SECONDS / 4)
                process.kill()
                await asyncio.sleep(SECONDS / 4)
                await started(start_server, shared)
        measured = await delivery.check("kill -9 of one server process, then of the other")
    assert measured.verdict == Verdict(received=measured.clients * measured.events)
    assert measured.reconnects >= measured.clients / 2, "for this test to mean anything"
    assert measured.resets == 0


async def test_the_only_server_process_is_killed(own_redis: RedisServer, start_server: Start) -> None:
    server = start_server(STREAM)
    async with Delivery(server.port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            await asyncio.sleep(SECONDS / 4)
            server.kill()
            await asyncio.sleep(1)
            await asyncio.to_thread(server.start().ready)
            await asyncio.sleep(SECONDS / 4)
        measured = await delivery.check("kill -9 of the only server process")
    assert measured.verdict == Verdict(received=measured.clients * measured.events)
    assert measured.reconnects >= measured.clients
    assert measured.resets == 0


async def test_a_rolling_restart_of_two_processes_refuses_no_client(
    own_redis: RedisServer, start_server: Start, shared: socket.socket
) -> None:
    processes = [await started(start_server, shared) for _ in range(2)]
    async with Delivery(processes[0].port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            for process in processes:
                process.terminate()
                assert await asyncio.to_thread(process.wait, DRAIN + PATIENCE) == 0
                await started(start_server, shared)
        measured = await delivery.check("rolling restart of two server processes")
        retries = [retry for each in delivery.followers for retry, _ in each.rotated]
    assert measured.verdict == Verdict(received=measured.clients * measured.events)
    assert measured.refused == 0
    assert measured.resets == 0
    assert sum(each.reconnects for each in measured.of("rotating", "stream.js")) == 0, (
        "a client that rotates is never without a stream"
    )
    assert len(retries) >= measured.clients / 2, "for this test to mean anything"
    assert len(set(retries)) > len(retries) * 0.8, "each stream has its own delay"


async def test_a_process_ends_in_time_although_no_client_leaves(own_redis: RedisServer, start_server: Start) -> None:
    """Plain clients ignore `rotate`: they are closed before supervisord kills the process."""
    server = start_server(f"{STREAM}drain_seconds = {DRAIN}\n")
    async with Delivery(server.port, own_redis.url, plain=True) as delivery:
        begun = time.monotonic()
        server.terminate()
        assert await asyncio.to_thread(server.wait, DRAIN + PATIENCE) == 0
        lasted = time.monotonic() - begun
        asked = sorted(at for each in delivery.followers for _, at in each.rotated)
        responses = [each.ended for each in delivery.followers]
    assert len(asked) == CLIENTS
    assert lasted < DRAIN + PATIENCE
    assert asked[-1] - asked[0] > DRAIN / 3, "they are asked at a steady pace, not all at once"
    assert all(response is not None and response.whole for response in responses), "each response is complete"


def test_supervisord_waits_longer_than_a_drain_may_last() -> None:
    supervisord = ConfigParser(interpolation=None)
    supervisord.read(PROJECT / "supervisord.conf")
    waits = supervisord.getfloat("fcgi-program:server", "stopwaitsecs")
    assert waits > StreamSettings().drain_seconds + 2 * MARGIN

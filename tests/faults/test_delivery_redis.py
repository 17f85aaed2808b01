"""Two hundred clients while Redis is killed, hangs, or loses its last events."""

import asyncio
import os
import signal
from collections.abc import Callable

from tests.faults.checker import Verdict
from tests.faults.delivery import MARKS, SECONDS, STREAM, Delivery
from tests.support.program import Program
from tests.support.redis_server import RedisServer

Start = Callable[..., Program]

#: Seconds for which Redis hangs.
HANGS = 20.0

pytestmark = MARKS


async def test_redis_is_killed_twice(own_redis: RedisServer, start_server: Start) -> None:
    server = start_server(STREAM)
    async with Delivery(server.port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            for _ in range(2):
                await asyncio.sleep(SECONDS / 4)
                own_redis.kill()
                await asyncio.sleep(SECONDS / 4)
                await asyncio.to_thread(own_redis.start)
        measured = await delivery.check("kill -9 of Redis, twice")
    assert measured.verdict == Verdict(received=measured.clients * measured.events)
    assert measured.reconnects == 0, "streams stay open"
    assert measured.resets == 0


async def test_redis_hangs(own_redis: RedisServer, start_server: Start) -> None:
    server = start_server(STREAM)
    assert own_redis.process is not None
    async with Delivery(server.port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            await asyncio.sleep(SECONDS / 4)
            os.kill(own_redis.process.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(HANGS)
            finally:
                os.kill(own_redis.process.pid, signal.SIGCONT)
            await asyncio.sleep(SECONDS / 4)
        measured = await delivery.check(f"SIGSTOP of Redis for {HANGS:.0f} s")
    assert measured.verdict == Verdict(received=measured.clients * measured.events)
    assert measured.reconnects == 0, "streams stay open"
    assert measured.resets == 0


async def test_redis_restarts_without_its_last_writes(own_redis: RedisServer, start_server: Start) -> None:
    """All clients have events that no longer exist: each gets `reset` and then has the same list as the store."""
    server = start_server(STREAM)
    async with Delivery(server.port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            await asyncio.sleep(SECONDS / 4)
            size = own_redis.append_only_files[-1].stat().st_size
            await asyncio.sleep(SECONDS / 4)
        await delivery.reached()
        await delivery.remember_life()
        lost = {each.record.last for each in delivery.followers}

        own_redis.kill()
        with own_redis.append_only_files[-1].open("r+b") as file:
            file.truncate(size)
        await asyncio.to_thread(own_redis.start)
        async with delivery.publisher.busy():
            await asyncio.sleep(SECONDS / 4)
        measured = await delivery.check("Redis comes back without its last writes")
        now = {each.cursor for each in measured.life}
    assert not lost & now, "for this test to mean anything"
    assert measured.verdict == Verdict(received=measured.verdict.received)
    assert measured.resets == measured.clients

"""A server process that starts or ends beside another one, on the socket that they share, sends nobody away."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable

from tests.faults.conftest import TOKEN
from tests.support.program import Program
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream

Start = Callable[..., Program]


async def test_a_process_that_starts_lets_nobody_in_before_it_knows_the_feed(
    own_redis: RedisServer, start_server: Start, shared: socket.socket
) -> None:
    first = start_server(listening=shared)
    assert own_redis.process is not None
    os.kill(own_redis.process.pid, signal.SIGSTOP)
    try:
        second = await asyncio.to_thread(start_server, listening=shared, until="event=starting")
        events = []
        for _ in range(10):
            async with EventStream(first.port, TOKEN) as stream:
                events.append((await stream.next()).json["event"])
        assert "event=listening" not in second.log.read_text(), "for this test to mean anything"
    finally:
        os.kill(own_redis.process.pid, signal.SIGCONT)
    assert set(events) == {"connected"}
    await asyncio.to_thread(second.said, "event=listening")


def test_a_process_that_finds_no_redis_lets_everybody_in_all_the_same(
    own_redis: RedisServer, start_server: Start, shared: socket.socket
) -> None:
    """To be told what is wrong: the page says so, intake answers with `Retry-After`."""
    own_redis.kill()
    start_server(listening=shared)

"""A server process that starts or ends on a shared socket beside another one refuses no client."""

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


async def test_a_starting_process_accepts_no_client_before_it_has_read_the_feed(
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
    await asyncio.to_thread(second.until_logged, "event=listening")


def test_a_process_without_redis_accepts_clients(
    own_redis: RedisServer, start_server: Start, shared: socket.socket
) -> None:
    """So clients learn the reason: the page shows it, and the intake answers with `Retry-After`."""
    own_redis.kill()
    start_server(listening=shared)

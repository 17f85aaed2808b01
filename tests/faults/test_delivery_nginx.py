"""Two hundred clients behind a real nginx that buffers or compresses: each event arrives at once."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.checker import Verdict
from tests.faults.delivery import MARKS, SECONDS, Delivery
from tests.support.nginx import Nginx
from tests.support.program import Program
from tests.support.redis_server import RedisServer

Start = Callable[..., Program]

#: Few heartbeats, so that none pushes an event out of a buffer.
QUIET = "[stream]\nopens_per_second = 100000\nheartbeat_seconds = 60\n"

#: Seconds until an event must arrive, on a busy machine; the next heartbeat comes later.
AT_ONCE = 40.0

COMPRESSING = "gzip on; gzip_proxied any; gzip_types text/event-stream application/json;"

pytestmark = MARKS


@pytest.mark.parametrize(
    ("name", "more", "compressed"),
    [("nginx, default buffering", "", False), ("nginx, Accept-Encoding: gzip, br", COMPRESSING, True)],
    ids=["buffering", "compressing"],
)
async def test_each_event_arrives_before_the_next_is_published(
    own_redis: RedisServer, start_server: Start, tmp_path: Path, name: str, more: str, compressed: bool
) -> None:
    server = start_server(QUIET)
    headers = {"Accept-Encoding": "gzip, br"}
    with Nginx(tmp_path, server.port, more) as nginx:
        async with Delivery(nginx.port, own_redis.url, headers=headers) as delivery:
            for _ in range(round(SECONDS * 3)):
                await delivery.publisher.step()
                assert await delivery.reached(AT_ONCE), "it waits in a buffer for more bytes"
            async with delivery.publisher.busy():
                await asyncio.sleep(SECONDS / 4)
            measured = await delivery.check(name)
            encodings = {
                response.headers.get("content-encoding", "")
                for each in delivery.followers
                if (response := each.response)
            }
    assert encodings == ({"gzip"} if compressed else {""}), "for this test to mean anything"
    assert measured.verdict == Verdict(received=measured.clients * measured.events)
    assert measured.reconnects == 0
    assert measured.resets == 0

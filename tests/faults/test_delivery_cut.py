"""Two hundred clients with bad connections: each gets every event once and in order."""

import asyncio
from collections.abc import Callable

from tests.faults.checker import Verdict
from tests.faults.conftest import TOKEN
from tests.faults.delivery import MARKS, SECONDS, STREAM, Delivery, repeat, until
from tests.support.program import Program
from tests.support.redis_server import RedisServer
from tests.support.relay import Relay
from tests.support.snapshot import get

Start = Callable[..., Program]

#: Seconds until a platform cuts a connection: enough for a busy machine to rotate streams of 4 s first.
CUT_AGE = 12.0

pytestmark = MARKS


async def test_connections_cut_every_two_seconds(own_redis: RedisServer, start_server: Start) -> None:
    server = start_server(STREAM)
    async with Relay(server.port) as relay, Delivery(relay.port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            await repeat(relay.cut_all, every=2, seconds=SECONDS)
        measured = await delivery.check("every connection cut every 2 s")
    assert measured.verdict == Verdict(received=measured.clients * measured.events)
    assert measured.reconnects >= measured.clients, "for this test to mean anything"
    assert measured.resets == 0


async def test_a_platform_that_cuts_each_connection_at_an_age(own_redis: RedisServer, start_server: Start) -> None:
    """A client that rotates in time is not cut; a plain EventSource is cut and resumes."""
    server = start_server(f"{STREAM}max_age_seconds = 4\n")
    async with Relay(server.port, age=CUT_AGE) as relay, Delivery(relay.port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            await asyncio.sleep(max(SECONDS, CUT_AGE) + 4)
        measured = await delivery.check(f"all cut at {CUT_AGE:g} s by a platform, max_age_seconds = 4")
    assert measured.verdict == Verdict(received=measured.clients * measured.events)
    rotating = measured.of("rotating")
    assert all(each.rotations for each in rotating), "for this test to mean anything"
    assert sum(each.reconnects for each in rotating) < len(rotating) / 4, "most have rotated before the cut"
    assert relay.cuts > 0
    assert measured.resets == 0
    assert measured.refused == 0


async def test_clients_that_stop_reading(own_redis: RedisServer, start_server: Start) -> None:
    """They are closed and do not delay the others. When they read again, they get the events that they missed."""
    server = start_server(f"{STREAM}max_queued_bytes = 16384\nstall_seconds = 10\n")

    async def slow() -> int:
        closed: dict[str, int] = (await get(server.port, TOKEN, "/api/stats"))["closed"]
        return closed.get("slow", 0)

    async with Delivery(server.port, own_redis.url, preview=900) as delivery:
        stalled = delivery.followers[5:25]
        others = delivery.followers[25:]
        async with delivery.publisher.busy():
            responses = [each.response for each in stalled]
            for each in stalled:
                each.pause()

            async def all_closed() -> bool:
                return await slow() >= len(stalled)

            await until(all_closed)
            reached = min(each.record.last for each in others)
            for response in responses:
                assert response is not None
                response.resume()
            await asyncio.sleep(SECONDS / 2)
        measured = await delivery.check("20 readers stop reading")
    assert reached > "0-0", "the others receive events meanwhile"
    assert measured.verdict == Verdict(received=measured.clients * measured.events)
    assert len(stalled) <= measured.reconnects < 2 * len(stalled)
    assert measured.resets == 0

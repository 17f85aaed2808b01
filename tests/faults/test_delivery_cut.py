"""Two hundred clients through bad lines: every event once and in order, whatever cuts their streams."""

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

pytestmark = MARKS


async def test_connections_cut_every_two_seconds(own_redis: RedisServer, start_server: Start) -> None:
    server = start_server(STREAM)
    async with Relay(server.port) as relay, Delivery(relay.port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            await repeat(relay.cut_all, every=2, seconds=SECONDS)
        measured = await delivery.check("every connection cut every 2 s")
    assert measured.verdict == Verdict(told=measured.clients * measured.events)
    assert measured.reconnects >= measured.clients, "for this test to mean anything"
    assert measured.resets == 0


async def test_a_platform_that_cuts_at_five_seconds(own_redis: RedisServer, start_server: Start) -> None:
    """Who rotates in time is never cut off; a plain EventSource is, and resumes."""
    server = start_server(f"{STREAM}max_age = 4\n")
    async with Relay(server.port, age=5) as relay, Delivery(relay.port, own_redis.url) as delivery:
        async with delivery.publisher.busy():
            await asyncio.sleep(SECONDS + 4)
        measured = await delivery.check("all cut at 5 s by a platform, max_age 4 s")
    assert measured.verdict == Verdict(told=measured.clients * measured.events)
    rotating = measured.of("rotating")
    assert all(each.rotations for each in rotating), "for this test to mean anything"
    assert sum(each.reconnects for each in rotating) < len(rotating) / 4, "most have left before they are cut"
    assert relay.cuts > 0
    assert measured.resets == 0
    assert measured.refused == 0


async def test_readers_that_stop_reading(own_redis: RedisServer, start_server: Start) -> None:
    """They are closed and cost the others nothing; reading again, they are told what they missed."""
    server = start_server(f"{STREAM}buffer = 16384\nstall = 2\n")

    async def slow() -> int:
        closed: dict[str, int] = (await get(server.port, TOKEN, "/api/stats"))["closed"]
        return closed.get("slow", 0)

    async with Delivery(server.port, own_redis.url, preview=900) as delivery:
        deaf = delivery.followers[5:25]
        others = delivery.followers[25:]
        async with delivery.publisher.busy():
            lines = [each.line for each in deaf]
            for each in deaf:
                each.pause()

            async def all_closed() -> bool:
                return await slow() >= len(deaf)

            await until(all_closed)
            told = min(each.record.last for each in others)
            for line in lines:
                assert line is not None
                line.go_on()
            await asyncio.sleep(SECONDS / 2)
        measured = await delivery.check("20 readers stop reading")
    assert told > "0-0", "the others are told meanwhile"
    assert measured.verdict == Verdict(told=measured.clients * measured.events)
    assert len(deaf) <= measured.reconnects < 2 * len(deaf)
    assert measured.resets == 0

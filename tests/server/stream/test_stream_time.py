"""What streams do by the clock: heartbeats, rotation, drain, and the close of slow clients."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from server.context import Context
from server.stream.drain import drain
from tests.server.conftest import TOKEN, make_settings
from tests.support.items import publish, subjects
from tests.support.sse_client import EventStream
from tests.support.waiting import PATIENCE, eventually
from workitems.settings import Settings

Open = Callable[..., EventStream]


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    stream = {"heartbeat_seconds": 0.3, "max_age_seconds": 1.5, "stall_seconds": 1, "max_queued_bytes": 16 * 1024}
    return make_settings(redis_url, tmp_path, stream=stream)


async def test_heartbeats_come_on_a_quiet_stream_and_carry_the_cursor(context: Context, open_stream: Open) -> None:
    await publish(context, 1)
    await eventually(lambda: context.hub.replay_buffer.head.n == 1)
    async with open_stream() as stream:
        for _ in range(3):
            heartbeat = await stream.next("heartbeat")
    assert heartbeat.id == heartbeat.json["head"] == str(context.hub.replay_buffer.head)
    assert heartbeat.json["timestamp"] > 1_700_000_000


async def test_a_narrowly_filtered_stream_moves_its_cursor_by_heartbeats(context: Context, open_stream: Open) -> None:
    async with open_stream(path="/sse/workitems?mailbox=nowhere") as stream:
        first = await stream.next("connected")
        await publish(context, 1, 2, 3)
        await eventually(lambda: context.hub.replay_buffer.head.n == 3)
        heartbeat = await stream.next("heartbeat")
    assert first.id != heartbeat.id == str(context.hub.replay_buffer.head)


async def test_a_stream_is_rotated_before_its_greatest_age_and_stays_live_meanwhile(
    context: Context, open_stream: Open
) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        rotate = await stream.next("rotate")
        assert context.stream_limits.open_count == 0, "a rotating stream counts for no limit"
        await publish(context, 1)
        await stream.next("new_workitem")
    assert rotate.id == rotate.json.get("head", rotate.id)
    assert stream.retry is not None
    assert 200 <= stream.retry <= 3_000


async def test_a_drain_asks_every_stream_to_rotate_and_ends_it_properly(context: Context, open_stream: Open) -> None:
    streams = [await open_stream().__aenter__() for _ in range(10)]
    for stream in streams:
        await stream.next("connected")
    draining = asyncio.create_task(drain(context.hub, 1.5))
    for stream in streams:
        await stream.next("rotate")
        with pytest.raises(EOFError):
            await stream.next("never")
        assert stream.whole
    await draining
    assert not context.hub.joined_streams


async def test_a_drain_is_over_when_the_last_stream_has_left(context: Context, open_stream: Open) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        draining = asyncio.create_task(drain(context.hub, 60.0))
        await stream.next("rotate")
    async with asyncio.timeout(PATIENCE):
        await draining


async def test_a_client_that_stops_reading_is_closed_while_others_continue(
    context: Context, open_stream: Open, http_server_port: tuple[object, int]
) -> None:
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", http_server_port[1]))
    request = f"GET /sse/workitems HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    await asyncio.get_running_loop().sock_sendall(deaf, request.encode())
    await eventually(lambda: len(context.hub.joined_streams) == 1)
    for stream in context.hub.joined_streams:
        stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    async with open_stream() as reading:
        await reading.next("connected")
        numbers = iter(range(100_000))
        async with asyncio.timeout(PATIENCE):
            while not context.hub.counts["closed_slow"]:
                await publish(context, *(next(numbers) for _ in range(20)))
                await asyncio.sleep(0)
        last = next(numbers)
        await publish(context, last)
        await reading.until(lambda _: f"item {last}" in subjects(reading))
    deaf.close()
    assert subjects(reading) == sorted(subjects(reading), key=lambda text: int(text.split()[1]))

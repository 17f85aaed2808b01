"""Clients that disconnect at any moment, and ten thousand that open and close streams: no memory is left over."""

import asyncio
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import TOKEN
from tests.faults.delivery import PATIENCE, STREAM, until
from tests.faults.publisher import Publisher
from tests.support.program import Program
from tests.support.redis_server import RedisServer
from tests.support.snapshot import get
from tests.support.sse_client import EventStream

Start = Callable[..., Program]

OPENS = 10_000

#: Opens until the process has its working memory; how many clients open at the same time.
WARM = 2_000
AT_ONCE = 50

#: Bytes by which the process may grow then; a leak of a kilobyte per stream would exceed it.
GROWTH = 3 * 1024 * 1024

#: Clients that disconnect in each phase.
CLIENTS = 20

REQUEST = f"GET /sse/workitems HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()


def resident(pid: int) -> int:
    """Return the bytes of resident memory."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def connected(port: int) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    # As on Ethernet: with the segments of loopback, the socket of the server would take megabytes at once.
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1_460)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    return client


async def receive(client: socket.socket, text: bytes) -> None:
    """Read until *text* comes."""
    loop, found = asyncio.get_running_loop(), b""
    async with asyncio.timeout(PATIENCE):
        while text not in found:
            more = await loop.sock_recv(client, 65536)
            assert more, f"the stream ended after {found[-200:]!r}"
            found = found[-100:] + more


async def open_and_close(port: int, count: int) -> None:
    async def one_after_another(each: int) -> None:
        for _ in range(each):
            client = await connected(port)
            with client:
                await asyncio.get_running_loop().sock_sendall(client, REQUEST + b"\r\n")
                await receive(client, b'"event":"connected"')

    await asyncio.gather(*(one_after_another(count // AT_ONCE) for _ in range(AT_ONCE)))


@pytest.mark.xdist_group("delivery")
@pytest.mark.timeout(seconds=240)
async def test_ten_thousand_opened_and_closed_streams_leave_no_memory_behind(start_server: Start) -> None:
    server = start_server(STREAM)
    streams = [await EventStream(server.port, TOKEN).__aenter__() for _ in range(25)]
    await open_and_close(server.port, WARM)
    before = resident(server.pid)
    await open_and_close(server.port, OPENS - WARM)

    async def only_the_open_ones_are_left() -> bool:
        stats = await get(server.port, TOKEN, "/api/stats")
        return bool(stats["open"] == stats["counted"] == len(streams))

    await until(only_the_open_ones_are_left)
    grown = resident(server.pid) - before
    opened = (await get(server.port, TOKEN, "/api/stats"))["opened"]
    for stream in streams:
        await stream.next("heartbeat")
        stream.close()
    result = f"{opened:,} opens: {before / 2**20:.1f} MiB after {WARM:,}, {grown / 2**20:+.2f} MiB at the end"
    print(f"\n{result}")  # noqa: T201
    assert opened == OPENS + len(streams)
    assert grown < GROWTH


async def after_connecting(_: socket.socket, __: str) -> None:
    """Send nothing."""


async def within_the_request_head(client: socket.socket, _: str) -> None:
    await asyncio.get_running_loop().sock_sendall(client, REQUEST)


async def right_after_the_request(client: socket.socket, _: str) -> None:
    await asyncio.get_running_loop().sock_sendall(client, REQUEST + b"\r\n")


async def during_the_replay(client: socket.socket, cursor: str) -> None:
    await asyncio.get_running_loop().sock_sendall(client, REQUEST + b"Last-Event-ID: %b\r\n\r\n" % cursor.encode())
    await receive(client, b"new_workitem")


async def while_live(client: socket.socket, _: str) -> None:
    await right_after_the_request(client, "")
    await receive(client, b"heartbeat")


@pytest.mark.parametrize("by_reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize(
    "phase", [after_connecting, within_the_request_head, right_after_the_request, during_the_replay, while_live]
)
async def test_a_client_that_disconnects_leaves_no_stream_behind(
    own_redis: RedisServer, start_server: Start, phase: Callable[[socket.socket, str], object], by_reset: bool
) -> None:
    """The connection ends normally, or by a TCP reset, as when a program is killed."""
    server = start_server("[stream]\nheartbeat_seconds = 0.5\nmax_replay_events = 1000\n")
    publisher = Publisher(own_redis.url, preview=900)
    await asyncio.gather(*(publisher.step() for _ in range(300)))
    await publisher.close()
    first = publisher.promised[0]
    rest = descriptors(server.pid)
    clients = [await connected(server.port) for _ in range(CLIENTS)]
    for client in clients:
        if by_reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if phase is during_the_replay:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.gather(*(phase(client, first) for client in clients))
    for client in clients:
        client.close()

    async def nothing_is_left() -> bool:
        stats = await get(server.port, TOKEN, "/api/stats")
        return bool(stats["open"] == stats["counted"] == 0 and descriptors(server.pid) <= rest + 1)

    await until(nothing_is_left)

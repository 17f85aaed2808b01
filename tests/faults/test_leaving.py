"""Clients that vanish at any moment, and ten thousand that come and go: nothing of them stays."""

import asyncio
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import TOKEN
from tests.faults.delivery import STREAM, until
from tests.faults.publisher import Publisher
from tests.support.program import Program
from tests.support.redis_server import RedisServer
from tests.support.snapshot import get
from tests.support.sse_client import EventStream

Start = Callable[..., Program]

OPENS = 10_000

#: Opens until the process has the memory that it works with; how many clients open at the same time.
WARM = 2_000
AT_ONCE = 50

#: Bytes that a process may have grown by after it was warm: a kilobyte a stream would be found.
GROWTH = 3 * 1024 * 1024

#: Clients that vanish in each phase.
VANISH = 20

REQUEST = f"GET /sse/workitems HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()


def resident(pid: int) -> int:
    """Bytes of memory."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def connected(port: int) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    # As on Ethernet: with loopback's own segments, the server's socket takes megabytes at once.
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1_460)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    return client


async def heard(client: socket.socket, text: bytes) -> None:
    """Read until *text* comes."""
    loop, found = asyncio.get_running_loop(), b""
    async with asyncio.timeout(20):
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
                await heard(client, b'"event":"connected"')

    await asyncio.gather(*(one_after_another(count // AT_ONCE) for _ in range(AT_ONCE)))


@pytest.mark.xdist_group("delivery")
@pytest.mark.timeout(seconds=240)
async def test_ten_thousand_opens_and_closes_leave_nothing_behind(start_server: Start) -> None:
    server = start_server(STREAM)
    streams = [await EventStream(server.port, TOKEN).__aenter__() for _ in range(25)]
    await open_and_close(server.port, WARM)
    before = resident(server.pid)
    await open_and_close(server.port, OPENS - WARM)

    async def only_those_that_stay() -> bool:
        stats = await get(server.port, TOKEN, "/api/stats")
        return bool(stats["open"] == stats["places"] == len(streams))

    await until(only_those_that_stay)
    grown = resident(server.pid) - before
    opened = (await get(server.port, TOKEN, "/api/stats"))["opened"]
    for stream in streams:
        await stream.next("heartbeat")
        stream.close()
    said = f"{opened:,} opens and closes: {before / 2**20:.1f} MiB after {WARM:,}, {grown / 2**20:+.2f} MiB at the end"
    print(f"\n{said}")  # noqa: T201
    assert opened == OPENS + len(streams)
    assert grown < GROWTH


async def after_connecting(_: socket.socket, __: str) -> None:
    """Nothing was asked."""


async def in_the_midst_of_the_head(client: socket.socket, _: str) -> None:
    await asyncio.get_running_loop().sock_sendall(client, REQUEST)


async def right_after_the_request(client: socket.socket, _: str) -> None:
    await asyncio.get_running_loop().sock_sendall(client, REQUEST + b"\r\n")


async def during_the_replay(client: socket.socket, cursor: str) -> None:
    await asyncio.get_running_loop().sock_sendall(client, REQUEST + b"Last-Event-ID: %b\r\n\r\n" % cursor.encode())
    await heard(client, b"new_workitem")


async def while_live(client: socket.socket, _: str) -> None:
    await right_after_the_request(client, "")
    await heard(client, b"heartbeat")


@pytest.mark.parametrize("rude", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize(
    "phase", [after_connecting, in_the_midst_of_the_head, right_after_the_request, during_the_replay, while_live]
)
async def test_a_client_that_vanishes_leaves_no_stream_behind(
    own_redis: RedisServer, start_server: Start, phase: Callable[[socket.socket, str], object], rude: bool
) -> None:
    """With the end of a TCP connection, or with a reset, as programs do that are killed."""
    server = start_server("[stream]\nheartbeat = 0.5\nreplay = 1000\n")
    publisher = Publisher(own_redis.url, preview=900)
    await asyncio.gather(*(publisher.step() for _ in range(300)))
    await publisher.close()
    first = publisher.promised[0]
    rest = descriptors(server.pid)
    clients = [await connected(server.port) for _ in range(VANISH)]
    for client in clients:
        if rude:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if phase is during_the_replay:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.gather(*(phase(client, first) for client in clients))
    for client in clients:
        client.close()

    async def nothing_is_left() -> bool:
        stats = await get(server.port, TOKEN, "/api/stats")
        return bool(stats["open"] == stats["places"] == 0 and descriptors(server.pid) <= rest + 1)

    await until(nothing_is_left, 20)

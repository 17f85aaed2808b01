"""Redis answers, but not as Tubepost needs it: rights, a node of a Cluster, another program on its port.

Server and worker say what is wrong, keep running, and continue by themselves when it is mended.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.faults.conftest import TOKEN
from tests.faults.installation import Installation
from tests.support.program import free_port
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream
from tests.workitems.status.test_probe import documented_rule
from workitems.base import keys

#: A command that only a worker needs, one that only a server needs, one inside the scripts, and that of all scripts.
REMOVED = ("xreadgroup", "xread", "publish", "evalsha")

StartRedis = Callable[..., RedisServer]

pytestmark = pytest.mark.timeout(seconds=240)


@pytest.fixture
def start_redis() -> Iterator[StartRedis]:
    """Start a Redis on a port of loopback, with more *options*."""
    started: list[RedisServer] = []

    def start(port: int, *options: str) -> RedisServer:
        started.append(RedisServer(None, None, "--port", str(port), *options).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


async def test_missing_rights_are_named_and_info_is_not_needed(start_redis: StartRedis, tmp_path: Path) -> None:
    port = free_port()
    with Redis.from_url(start_redis(port).url) as admin:
        admin.execute_command(*documented_rule("secret"))

        def change_rights(*rights: str) -> None:
            admin.execute_command("ACL", "SETUSER", "tubepost", *rights)

        change_rights("-info", "-bgrewriteaof", f"-{REMOVED[0]}")
        async with Installation(tmp_path, f"redis://tubepost:secret@127.0.0.1:{port}") as installation:
            await installation.until_unavailable(REMOVED[0])
            await installation.until_worker_logs("waiting for Redis", REMOVED[0])
            change_rights(f"+{REMOVED[0]}")
            await installation.until_available()
            async with EventStream(installation.server.port, TOKEN) as stream:
                await stream.next("connected")
                assert await installation.post()
                await installation.until_published()
                for name in REMOVED[1:]:
                    change_rights(f"-{name}")
                    await installation.until_unavailable(name)
                    said = (await stream.next("store_status")).json["data"]
                    assert not said["available"]
                    assert name in said["reason"]
                    await installation.until_worker_logs("Redis is not available; mail waits", name)
                    change_rights(f"+{name}")
                    while not (await stream.next("store_status")).json["data"]["available"]:
                        pass
                assert await installation.post()
                await installation.until_published()


async def test_a_node_of_a_cluster_is_named_and_used_once_it_has_our_slot(
    start_redis: StartRedis, tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    options = "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port"
    ours, other = (Redis.from_url(start_redis(port, *options, str(free_port())).url) for port in ports)
    with ours, other:
        bus = other.config_get("cluster-port")["cluster-port"]
        slot = ours.execute_command("CLUSTER KEYSLOT", keys.FEED)
        async with Installation(tmp_path, f"redis://127.0.0.1:{ports[0]}") as installation:
            await installation.until_unavailable("CLUSTERDOWN")
            await installation.until_worker_logs("waiting for Redis", "CLUSTERDOWN")
            other.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            ours.execute_command("CLUSTER MEET", "127.0.0.1", ports[1], bus)
            await installation.until_unavailable("MOVED")
            await installation.until_worker_logs("waiting for Redis", "MOVED")
            for node in (ours, other):
                node.execute_command("CLUSTER SETSLOT", slot, "NODE", ours.execute_command("CLUSTER MYID"))
            await installation.until_available()
            await installation.until_worker_logs("started")
            while not await installation.post():  # the nodes may not agree at once
                await asyncio.sleep(0.1)
            await installation.until_published()


async def test_another_program_on_the_port_or_on_our_keys_is_named(start_redis: StartRedis, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(1 << 16)
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    port = free_port()
    async with Installation(tmp_path, f"redis://127.0.0.1:{port}") as installation:
        web_server = await asyncio.start_server(answer, "127.0.0.1", port)
        try:
            await installation.until_unavailable("Protocol error")
            await installation.until_worker_logs("waiting for Redis", "Protocol error")
        finally:
            web_server.close()
            await web_server.wait_closed()
        server = await asyncio.to_thread(start_redis, port)
        await installation.until_available()
        assert await installation.post()
        await installation.until_published()

        with Redis.from_url(server.url) as foreign:  # something else writes to one of our keys
            foreign.rename(keys.FEED, "ours")
            foreign.set(keys.FEED, "theirs")
            await installation.until_unavailable("WRONGTYPE")
            foreign.rename("ours", keys.FEED)
        await installation.until_available()
        assert await installation.post()
        await installation.until_published()

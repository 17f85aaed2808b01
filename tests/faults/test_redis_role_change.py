"""The primary changes behind one address, as with a managed Redis: connections that are open stay with the old one."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic, sleep

import pytest
from redis import Redis

from tests.faults.conftest import TOKEN
from tests.faults.installation import PATIENCE, Installation
from tests.support.cutting_proxy import CuttingProxy
from tests.support.program import free_port
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream
from tests.support.waiting import eventually
from workitems.base.tasks import cancel_and_wait

#: Seconds between two posts.
PAUSE = 0.1


class Pair:
    """Two Redis, of which the second follows the first, behind the one address of a proxy."""

    def __init__(self) -> None:
        self._ports = free_port(), free_port()
        self._servers = [RedisServer(None, None, "--port", str(port)).start() for port in self._ports]
        self._old, self._new = (Redis.from_url(server.url) for server in self._servers)
        self.proxy = CuttingProxy(self._ports[0])
        self._new.execute_command("REPLICAOF", "127.0.0.1", self._ports[0])
        deadline = monotonic() + PATIENCE
        while self._new.info("replication")["master_link_status"] != "up":
            assert monotonic() < deadline, "the second Redis does not follow the first"
            sleep(0.01)

    def change_roles(self) -> None:
        """Make the second the primary, and the first its replica. The address still leads to the first.

        What the first accepted last is lost, as it may be in a real failover.
        """
        self._new.execute_command("REPLICAOF", "NO", "ONE")
        self._old.execute_command("REPLICAOF", "127.0.0.1", self._ports[1])

    def lead_to_new(self) -> None:
        """Let new connections reach the second; those that are open live on."""
        self.proxy.target = self._ports[1]

    def stop(self) -> None:
        self.proxy.stop()
        for client, server in zip((self._old, self._new), self._servers, strict=True):
            client.close()
            server.stop()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.stop()


@pytest.mark.timeout(seconds=240)
async def test_after_a_change_of_the_primary_everything_continues_without_a_restart(pair: Pair, tmp_path: Path) -> None:
    said: list[tuple[bool, bool]] = []
    leads_to_new = False

    async def read(stream: EventStream) -> None:
        while True:
            data = (await stream.next("store_status", within=300)).json["data"]
            assert data["available"] or data["reason"].startswith("Redis cannot serve: "), data
            said.append((data["available"], leads_to_new))

    async def post(installation: Installation) -> None:
        while True:
            await installation.post()
            await asyncio.sleep(PAUSE)

    async with AsyncExitStack() as stack:
        url = f"redis://127.0.0.1:{pair.proxy.port}"
        installation = await stack.enter_async_context(Installation(tmp_path, url))
        await installation.until_available()
        stream = await stack.enter_async_context(EventStream(installation.server.port, TOKEN))
        await stream.next("connected")
        tasks = [asyncio.create_task(read(stream)), asyncio.create_task(post(installation))]
        stack.push_async_callback(cancel_and_wait, *tasks)
        await eventually(lambda: len(installation.accepted) >= 20)

        await asyncio.to_thread(pair.change_roles)
        await eventually(lambda: said)
        # The address leads to a replica now. It can be read, and each try to do so must not make it available.
        restarts = (await installation.stats())["reader_restarts"]
        while (stats := await installation.stats())["reader_restarts"] < restarts + 2:
            assert not stats["store_available"]
            await asyncio.sleep(PAUSE)

        before, leads_to_new, begun = len(installation.accepted), True, monotonic()
        pair.lead_to_new()
        await eventually(lambda: len(installation.accepted) > before)
        print(f"\nmail is accepted {monotonic() - begun:.2f} s after the address leads to the primary")  # noqa: T201
        await eventually(lambda: said[-1][0])
        assert installation.refused, "for this test to mean anything"
        await cancel_and_wait(*tasks)
        await installation.until_published()
    assert all(leads_to_new for available, leads_to_new in said if available), "a replica is not available"

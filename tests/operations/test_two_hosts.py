"""Two hosts whose processes have the same names share one Redis and one mail store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.host import PATIENCE, TOKEN, Host, is_up
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream

SERVERS = ["server_00", "server_01"]


@pytest.fixture
def hosts(tmp_path: Path, own_redis: RedisServer) -> Iterator[list[Host]]:
    """The hosts alpha and beta. Each has its own data folder, with the common mail store in it."""
    store, made = tmp_path / "mail", []
    store.mkdir()
    for name in ("alpha", "beta"):
        (tmp_path / name / "var").mkdir(parents=True)
        (tmp_path / name / "var" / "mail").symlink_to(store)
        made.append(Host(tmp_path / name, own_redis.url, name))
    yield made
    for host in made:
        host.close()


def processes(found: Any) -> list[tuple[str, str]]:
    return [(each["host"], each["process"]) for each in found["all"]["processes"]]


@pytest.mark.timeout(seconds=5 * PATIENCE)
async def test_stats_have_the_processes_of_both_hosts_and_those_of_a_dead_host_expire(hosts: list[Host]) -> None:
    alpha, beta = hosts
    for host in hosts:
        await host.until_listening()
    everywhere = [(name, server) for name in ("alpha", "beta") for server in SERVERS]
    async with EventStream(beta.port, token=TOKEN) as stream:
        await stream.next("connected")
        for host, name in ((alpha, "alpha"), (beta, "beta")):
            found = await host.ask_until(
                "/api/stats", lambda found: processes(found) == everywhere and found["all"]["open"] == 1
            )
            assert found["host"] == name
            assert found["all"]["hosts"] == ["alpha", "beta"]
            assert len({each["pid"] for each in found["all"]["processes"]}) == 4
    for host in hosts:
        found = await host.scrape_until(lambda found: set(is_up(found)) == {*SERVERS, "worker_00"})
        assert set(is_up(found).values()) == {1.0}, "metrics are those of the host alone"
    for program in beta.programs.values():
        program.kill()  # as when the machine is lost: nothing takes its reports away
    found = await alpha.ask_until("/api/stats", lambda found: found["all"]["hosts"] == ["alpha"])
    assert processes(found) == [("alpha", server) for server in SERVERS]


@pytest.mark.timeout(seconds=5 * PATIENCE)
async def test_the_worker_of_either_host_is_enough_for_the_servers_of_both(hosts: list[Host]) -> None:
    alpha, beta = hosts
    for host in hosts:
        await host.until_listening()
        await host.until_faulty()
        await host.ask_until("/api/mailboxes", lambda found: found["intake"]["workers"] == 2)
    alpha.programs["worker_00"].stop()
    await alpha.ask_until("/api/mailboxes", lambda found: found["intake"]["workers"] == 1)
    for host in hosts:
        await host.until_faulty()
        assert not (await host.ask("/api/mailboxes"))["intake"]["no_worker"]
    raw = b"Message-ID: <1@example.com>\nSubject: A claim\n\nText\n"
    await asyncio.to_thread(alpha.get, "/api/email/intake?mailbox=desk", raw)
    await alpha.ask_until("/api/workitems", lambda found: len(found["items"]) == 1)
    beta.programs["worker_00"].stop()
    for host in hosts:
        await host.until_faulty("worker")

"""`/metrics`: one scrape has every process of the host, and is right whichever of them answers."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server.context import Context
from server.handlers import metrics
from server.status import host_metrics, mail_store_check, readiness
from tests.server.conftest import make_settings
from tests.server.handlers.conftest import Call, call, error
from tests.support.exposition import Family, parse_exposition, values
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE
from workitems.base import keys, ttl_cache
from workitems.mailboxes.lease import Lease
from workitems.settings import Settings
from workitems.status import process_metrics, sample_socket
from workitems.status.heartbeats import HeartbeatWriter
from workitems.status.process_metrics import ProcessMetrics
from workitems.status.sample_socket import serving_samples

__all__ = ["call"]

Scrape = Callable[..., Any]


@pytest.fixture
def settings(redis_url: str, tmp_path: Any) -> Settings:
    mailbox = {"host": "imap.example.com", "user": "x", "password": "y"}
    return make_settings(redis_url, tmp_path, mailboxes={"claims": mailbox})


@pytest.fixture
def scrape(call: Call) -> Scrape:
    async def read(**expected: float) -> dict[str, Family]:
        """Scrape until each metric of one series has its value: on a busy machine a part may not answer in time."""
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await call("GET", "/metrics", token=None)
                assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
                found = parse_exposition(answer.body.decode())
                series = {name: list(values(found, f"tubepost_{name}").values()) for name in expected}
                if series == {name: [value] for name, value in expected.items()}:
                    return found

    return read


async def watch(context: Context) -> None:
    """Write what a worker writes that watches the mailbox."""
    await HeartbeatWriter(context.redis, "one", 1).write(("claims",))
    await Lease(context.redis, "claims", "one", ttl_seconds=30).acquire()
    now = (await context.redis.time())[0]
    await context.redis.hset(keys.mailbox("claims"), mapping={"state": "watching", "checked": now})


async def test_a_scrape_has_all_processes_and_what_they_share_once(
    context: Context, scrape: Scrape, settings: Settings
) -> None:
    await watch(context)
    async with serving_samples(settings.runtime_folder, ProcessMetrics("worker_00")):
        found = await scrape(worker_up=1, mail_store_up=1, redis_memory_max_bytes=0)
    mine, other = (("process", context.process),), (("process", "worker_00"),)
    assert values(found, "tubepost_process_up") == {mine: 1, other: 1}
    for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds"):
        assert set(values(found, f"process_{name}")) == {mine, other}
    assert len(values(found, "tubepost_build_info")) == 2
    assert set(values(found, "tubepost_redis_up")) == {mine}
    for name in ("worker_up", "workers", "redis_memory_used_bytes", "redis_memory_max_bytes", "intake_waiting"):
        assert list(values(found, f"tubepost_{name}")) == [()]
    free, size = values(found, "tubepost_disk_free_bytes"), values(found, "tubepost_disk_size_bytes")
    assert {("folder", "data")} <= {label for labels in free for label in labels}
    assert all(0 < free[each] <= size[each] for each in free)
    assert list(values(await scrape(), "tubepost_process_up")) == [mine], "a process that ended disappears"


async def test_each_part_has_a_metric(context: Context, scrape: Scrape, settings: Settings) -> None:
    await watch(context)
    await scrape(redis_up=1, mail_store_up=1, worker_up=1, mailbox_up=1)
    await context.redis.delete(keys.WORKERS)
    await scrape(redis_up=1, mail_store_up=1, worker_up=0, mailbox_up=0)


async def test_a_mailbox_is_down_when_the_heartbeat_of_its_worker_is_old(context: Context, scrape: Scrape) -> None:
    await watch(context)
    await scrape(mailbox_up=1)
    old = (await context.redis.time())[0] - 60
    await context.redis.hset(keys.WORKERS, "one", f'{{"at": {old}, "started": {old}, "pid": 1}}')
    await scrape(workers=0, mailbox_up=0)


async def test_who_asks_is_found_out_in_time_or_the_scrape_is_refused(
    call: Call, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(metrics, "IDENTIFY_SECONDS", 0.01)
    monkeypatch.setattr(context.auth, "identify", hang)
    answer = await call("GET", "/metrics", token="tp_x", headers={"X-Forwarded-For": "192.0.2.1"})
    assert error(answer) == (503, "store_unavailable", None)
    assert (await call("GET", "/metrics", token="tp_x")).code == 200, "nobody has to be known on this machine"


def test_the_waits_of_a_scrape_are_three_seconds_together() -> None:
    parts = (mail_store_check.WAIT_SECONDS, readiness.TIMEOUT_SECONDS, process_metrics.SYSTEM_SECONDS)
    in_process = 2 * max(parts)  # a check that runs, and the next one
    assert max(in_process, host_metrics.TIMEOUT_SECONDS) < sample_socket.ANSWER_SECONDS
    assert ttl_cache.PATIENCE_SECONDS < metrics.IDENTIFY_SECONDS
    assert metrics.IDENTIFY_SECONDS + sample_socket.ANSWER_SECONDS <= 3, "docs/monitoring.md promises it"


class TestRedisAway:
    @pytest.fixture
    def own_redis(self) -> Iterator[RedisServer]:
        server = RedisServer().start()
        yield server
        server.stop()

    @pytest.fixture
    def redis_url(self, own_redis: RedisServer) -> str:
        return own_redis.url

    @pytest.mark.parametrize("how", ["killed", "stopped"])
    async def test_the_processes_are_seen_and_nothing_is_said_that_is_not_known(
        self, context: Context, scrape: Scrape, own_redis: RedisServer, how: str
    ) -> None:
        mine = (("process", context.process),)
        await watch(context)
        await scrape(redis_up=1, mailbox_up=1)
        assert own_redis.process is not None
        if how == "killed":
            own_redis.kill()
        else:
            own_redis.process.send_signal(signal.SIGSTOP)
        found = await scrape()
        assert values(found, "tubepost_mailbox_up") == {(("mailbox", "claims"),): 0}
        assert values(found, "tubepost_worker_up") == {(): 0}
        for name in ("workers", "intake_waiting", "redis_memory_used_bytes"):
            assert values(found, f"tubepost_{name}") == {}, "stale data is no data"
        assert set(values(found, "tubepost_streams_open")) == {mine}
        await scrape(redis_up=0)

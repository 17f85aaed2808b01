"""How servers report the health of mailboxes and workers: by the stream, and once in the log."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.context import Context
from server.status.assessment import Observation
from server.status.monitor import Monitor
from tests.server.conftest import make_settings
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream
from tests.support.waiting import eventually
from workitems.base import keys
from workitems.base.redis import RedisClient, connect
from workitems.base.tasks import cancel_and_wait
from workitems.mailboxes.lease import Lease
from workitems.settings import Settings
from workitems.status.heartbeats import HeartbeatWriter
from workitems.status.redis_watch import RedisWatch

Open = Callable[..., EventStream]

MAILBOX = {"host": "imap.example.com", "user": "x", "password": "y"}


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, mailboxes={"claims": MAILBOX, "orders": MAILBOX})


async def simulate_worker(redis: RedisClient) -> None:
    """Simulate a worker that has the leases of both mailboxes and has just checked them."""
    await HeartbeatWriter(redis, "one", 1).write(("claims", "orders"))
    for name in ("claims", "orders"):
        await Lease(redis, name, "one", ttl_seconds=30).acquire()
        await record(redis, name, state="watching", error="", checked=time())


async def record(redis: RedisClient, name: str, **fields: Any) -> None:
    await redis.hset(keys.mailbox(name), mapping=fields)


def observe_for_an_hour(context: Context) -> None:
    """Let the monitor have observed for an hour."""
    context.monitor._observation = Observation(time() - 3_600)


async def test_a_mailbox_that_fails_and_recovers_is_reported_once_each(context: Context, open_stream: Open) -> None:
    await simulate_worker(context.redis)
    async with open_stream() as stream:
        await stream.next("connected")
        await record(context.redis, "claims", state="needs_sign_in", error="refused", since=time())
        await context.monitor.check_once()
        bad = (await stream.next("mailbox_status")).json["data"]
        await context.monitor.check_once()
        await record(context.redis, "claims", state="watching", error="", checked=time())
        await context.monitor.check_once()
        good = (await stream.next("mailbox_status")).json["data"]
    assert (bad["name"], bad["state"], bad["reason"]) == ("claims", "needs_sign_in", "refused")
    assert bad["since"].endswith("Z")
    assert (good["state"], good["reason"], good["since"]) == ("watching", "", None)
    assert [message.json["event"] for message in stream.messages] == ["connected", "mailbox_status", "mailbox_status"]
    assert stream.messages[0].id == stream.last_event_id, "states have no id"


async def test_a_stream_that_joins_late_gets_bad_states_and_the_progress_of_a_backfill(
    context: Context, open_stream: Open
) -> None:
    await simulate_worker(context.redis)
    await record(context.redis, "claims", state="failing", error="no route", todo=100, taken=40)
    await record(context.redis, "orders", todo=7, taken=7)
    await context.redis.zadd(keys.QUARANTINE, {"wi_x": time() * 1000})
    await context.monitor.check_once()
    async with open_stream() as stream:
        await stream.until(lambda messages: len(messages) == 4)
    events = {message.json["event"]: message.json.get("data") for message in stream.messages}
    assert events["mailbox_status"]["name"] == "claims"
    assert events["import_progress"] == {
        "mailbox": "claims", "folder": "INBOX", "taken": 40, "todo": 100, "going_on": True,
    }  # fmt: skip
    assert events["intake_status"]["quarantine"]["count"] == 1


async def test_a_filtered_stream_gets_the_states_of_its_own_mailboxes_only(context: Context, open_stream: Open) -> None:
    await simulate_worker(context.redis)
    await record(context.redis, "orders", state="failing", error="no route")
    await context.monitor.check_once()
    async with open_stream(path="/sse/workitems?mailbox=claims") as stream:
        await stream.next("connected")
        await record(context.redis, "orders", error="still no route")
        await context.monitor.check_once()
        await record(context.redis, "claims", state="failing", error="gone")
        await context.monitor.check_once()
        message = await stream.next("mailbox_status")
    assert [each.json["event"] for each in stream.messages] == ["connected", "mailbox_status"]
    assert message.json["data"]["name"] == "claims"


async def test_progress_is_sent_to_its_end_and_then_is_no_state_any_more(context: Context, open_stream: Open) -> None:
    await simulate_worker(context.redis)
    await record(context.redis, "claims", todo=10, taken=4)
    await context.monitor.check_once()
    async with open_stream() as stream:
        await stream.next("import_progress")
        await record(context.redis, "claims", taken=9)
        await context.monitor.check_once()
        assert (await stream.next("import_progress")).json["data"]["taken"] == 9
        await context.redis.hdel(keys.mailbox("claims"), "todo", "taken")
        for _ in range(2):
            await context.monitor.check_once()
        last = await stream.next("import_progress")
    assert last.json["data"]["going_on"] is False
    async with open_stream() as later:
        await later.next("connected")
        await record(context.redis, "claims", state="failing", error="x")
        await context.monitor.check_once()
        await later.next("mailbox_status")
    assert [message.json["event"] for message in later.messages] == ["connected", "mailbox_status"]


async def test_progress_that_does_not_advance_counts_as_ended(
    context: Context, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of the backfill was killed, and its record stays."""
    await simulate_worker(context.redis)
    await record(context.redis, "claims", import_todo=10, import_taken=4)
    await context.monitor.check_once()
    async with open_stream() as stream:
        assert (await stream.next("import_progress")).json["data"]["going_on"]
        monkeypatch.setattr("server.status.monitor._STUCK_SECONDS", 0.0)
        await context.monitor.check_once()
        assert not (await stream.next("import_progress")).json["data"]["going_on"]
        monkeypatch.setattr("server.status.monitor._STUCK_SECONDS", 60.0)
        await record(context.redis, "claims", import_taken=5)
        await context.monitor.check_once()
        assert (await stream.next("import_progress")).json["data"]["taken"] == 5


async def test_a_missing_worker_is_reported_to_all_streams_and_logged_once_by_all_processes(
    context: Context, open_stream: Open
) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        with capture_logs() as lines:
            for _ in range(3):
                observe_for_an_hour(context)
                await context.monitor.check_once()
            alone = (await stream.next("intake_status")).json["data"]
            await simulate_worker(context.redis)
            for _ in range(3):
                await context.monitor.check_once()
    assert (alone["no_worker"], alone["workers"]) == (True, 0)
    logged = [(line["log_level"], line["event"]) for line in lines if "worker" in line["event"]]
    assert logged == [
        ("warning", "no worker is alive: mail is neither fetched nor read"),
        ("info", "a worker is alive again"),
    ]


async def test_a_mailbox_that_is_stale_though_a_worker_is_alive_is_logged_once(context: Context) -> None:
    await simulate_worker(context.redis)
    await record(context.redis, "orders", checked=time() - 500)
    await context.redis.set(keys.lease("orders"), f"{time() - 500} one")
    with capture_logs() as lines:
        for _ in range(2):
            observe_for_an_hour(context)
            await context.monitor.check_once()
        await record(context.redis, "orders", checked=time())
        for _ in range(2):
            await context.monitor.check_once()
    logged = [(line["log_level"], line["event"], line["mailbox"]) for line in lines]
    assert logged == [("warning", "a mailbox is not read", "orders"), ("info", "a mailbox is read again", "orders")]


async def test_what_is_wrong_with_redis_is_sent_with_its_advice_until_it_is_corrected(
    context: Context, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workitems.status.redis_watch.FRESH_SECONDS", 0.0)
    own = RedisServer(None, None, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru").start()
    redis = connect(own.url)
    await simulate_worker(redis)
    monitor = Monitor(redis, context.hub, {}, RedisWatch(redis))
    try:
        async with open_stream() as stream:
            await stream.next("connected")
            await monitor.check_once()
            wrong = (await stream.next("intake_status")).json["data"]["redis"]
            await redis.config_set("maxmemory-policy", "noeviction")
            await monitor.check_once()
            corrected = (await stream.next("intake_status")).json["data"]["redis"]
    finally:
        await redis.aclose()
        own.stop()
    assert [(each["kind"], each["error"]) for each in wrong] == [("eviction", True)]
    assert "allkeys-lru" in wrong[0]["message"]
    assert wrong[0]["advice"].startswith("Set maxmemory-policy noeviction")
    assert corrected == []


async def test_rules_that_a_worker_cannot_use_are_sent_until_it_can(context: Context, open_stream: Open) -> None:
    heartbeat = HeartbeatWriter(context.redis, "mail-1-worker_00", 1)
    async with open_stream() as stream:
        await stream.next("connected")
        for error in ("fields.deal: set labels, pattern or both", ""):
            await heartbeat.write((), error)
            await context.monitor.check_once()
        wrong, mended = [(await stream.next("intake_status")).json["data"]["rules"] for _ in range(2)]
    (found,) = wrong
    assert found["message"] == (
        "those in the settings file are not used by mail-1-worker_00: fields.deal: set labels, pattern or both"
    )
    assert found["advice"].startswith("Mail is read with the former rules until")
    assert mended == []


async def test_after_an_outage_of_redis_no_worker_counts_as_dead(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.status.monitor.CHECK_SECONDS", 0.01)
    own = RedisServer().start()
    redis = connect(own.url)
    monitor = Monitor(redis, context.hub, context.settings.mailboxes, RedisWatch(redis))
    monitor._observation = Observation(time() - 3_600)
    looking = asyncio.create_task(monitor.run())
    try:
        await eventually(lambda: monitor.intake_health is not None and monitor.intake_health.has_no_worker)
        own.kill()
        await eventually(lambda: monitor._observation is None)
        own.start()
        await eventually(lambda: monitor.intake_health is not None and not monitor.intake_health.has_no_worker)
    finally:
        await cancel_and_wait(looking)
        await redis.aclose()
        own.stop()

"""What the servers see of mailboxes and workers, and how they tell it: by the stream, and once in the log."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.context import Context
from server.mailboxes import Watching
from server.monitor import Monitor
from tests.server.conftest import make_settings
from tests.server.test_stream import eventually
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream
from workitems import keys
from workitems.lease import Lease
from workitems.redis import Client, connect
from workitems.settings import Settings
from workitems.tasks import end
from workitems.workers import Report

Open = Callable[..., EventStream]

MAILBOX = {"host": "imap.example.com", "user": "x", "password": "y"}


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, mailboxes={"claims": MAILBOX, "orders": MAILBOX})


async def at_work(redis: Client) -> None:
    """A worker that holds both mailboxes and has just checked them."""
    await Report(redis, "one", 1).write(("claims", "orders"))
    for name in ("claims", "orders"):
        await Lease(redis, name, "one", seconds=30).take()
        await tell(redis, name, state="watching", error="", checked=time())


async def tell(redis: Client, name: str, **record: Any) -> None:
    await redis.hset(keys.mailbox(name), mapping=record)


def long_ago(context: Context) -> None:
    """As if the server had looked for an hour."""
    context.monitor._watching = Watching(time() - 3_600)


async def test_a_mailbox_that_goes_bad_and_well_again_is_told_once_each(context: Context, open_stream: Open) -> None:
    await at_work(context.redis)
    async with open_stream() as stream:
        await stream.next("connected")
        await tell(context.redis, "claims", state="needs_sign_in", error="refused", since=time())
        await context.monitor.step()
        bad = (await stream.next("mailbox_status")).json["data"]
        await context.monitor.step()
        await tell(context.redis, "claims", state="watching", error="", checked=time())
        await context.monitor.step()
        good = (await stream.next("mailbox_status")).json["data"]
    assert (bad["name"], bad["state"], bad["reason"]) == ("claims", "needs_sign_in", "refused")
    assert bad["since"].endswith("Z")
    assert (good["state"], good["reason"], good["since"]) == ("watching", "", None)
    assert [message.json["event"] for message in stream.messages] == ["connected", "mailbox_status", "mailbox_status"]
    assert stream.messages[0].id == stream.last_event_id, "states have no id"


async def test_a_stream_that_joins_late_is_told_what_is_not_well_and_how_far_old_mail_is(
    context: Context, open_stream: Open
) -> None:
    await at_work(context.redis)
    await tell(context.redis, "claims", state="failing", error="no route", todo=100, taken=40)
    await tell(context.redis, "orders", todo=7, taken=7)
    await context.redis.zadd(keys.QUARANTINE, {"wi_x": time() * 1000})
    await context.monitor.step()
    async with open_stream() as stream:
        await stream.until(lambda messages: len(messages) == 4)
    told = {message.json["event"]: message.json.get("data") for message in stream.messages}
    assert told["mailbox_status"]["name"] == "claims"
    assert told["import_progress"] == {
        "mailbox": "claims", "folder": "INBOX", "taken": 40, "todo": 100, "going_on": True,
    }  # fmt: skip
    assert told["intake_status"]["quarantine"]["count"] == 1


async def test_a_filtered_stream_hears_of_its_own_mailboxes_alone(context: Context, open_stream: Open) -> None:
    await at_work(context.redis)
    await tell(context.redis, "orders", state="failing", error="no route")
    await context.monitor.step()
    async with open_stream(path="/sse/workitems?mailbox=claims") as stream:
        await stream.next("connected")
        await tell(context.redis, "orders", error="still no route")
        await context.monitor.step()
        await tell(context.redis, "claims", state="failing", error="gone")
        await context.monitor.step()
        message = await stream.next("mailbox_status")
    assert [each.json["event"] for each in stream.messages] == ["connected", "mailbox_status"]
    assert message.json["data"]["name"] == "claims"


async def test_progress_goes_on_to_its_end_and_is_no_state_afterwards(context: Context, open_stream: Open) -> None:
    await at_work(context.redis)
    await tell(context.redis, "claims", todo=10, taken=4)
    await context.monitor.step()
    async with open_stream() as stream:
        await stream.next("import_progress")
        await tell(context.redis, "claims", taken=9)
        await context.monitor.step()
        assert (await stream.next("import_progress")).json["data"]["taken"] == 9
        await context.redis.hdel(keys.mailbox("claims"), "todo", "taken")
        for _ in range(2):
            await context.monitor.step()
        last = await stream.next("import_progress")
    assert last.json["data"]["going_on"] is False
    async with open_stream() as later:
        await later.next("connected")
        await tell(context.redis, "claims", state="failing", error="x")
        await context.monitor.step()
        await later.next("mailbox_status")
    assert [message.json["event"] for message in later.messages] == ["connected", "mailbox_status"]


async def test_progress_that_gets_no_further_is_none(
    context: Context, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever read the old mail was killed, and its record stays."""
    await at_work(context.redis)
    await tell(context.redis, "claims", import_todo=10, import_taken=4)
    await context.monitor.step()
    async with open_stream() as stream:
        assert (await stream.next("import_progress")).json["data"]["going_on"]
        monkeypatch.setattr("server.monitor._STUCK", 0.0)
        await context.monitor.step()
        assert not (await stream.next("import_progress")).json["data"]["going_on"]
        monkeypatch.setattr("server.monitor._STUCK", 60.0)
        await tell(context.redis, "claims", import_taken=5)
        await context.monitor.step()
        assert (await stream.next("import_progress")).json["data"]["taken"] == 5


async def test_that_no_worker_is_alive_is_told_to_all_and_logged_once_by_all_processes(
    context: Context, open_stream: Open
) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        with capture_logs() as lines:
            for _ in range(3):
                long_ago(context)
                await context.monitor.step()
            alone = (await stream.next("intake_status")).json["data"]
            await at_work(context.redis)
            for _ in range(3):
                await context.monitor.step()
    assert (alone["alone"], alone["workers"]) == (True, 0)
    told = [(line["log_level"], line["event"]) for line in lines if "worker" in line["event"]]
    assert told == [
        ("warning", "no worker is alive: mail is neither fetched nor read"),
        ("info", "a worker is alive again"),
    ]


async def test_a_mailbox_that_is_stale_though_a_worker_is_alive_is_logged_once(context: Context) -> None:
    await at_work(context.redis)
    await tell(context.redis, "orders", checked=time() - 500)
    await context.redis.set(keys.lease("orders"), f"{time() - 500} one")
    with capture_logs() as lines:
        for _ in range(2):
            long_ago(context)
            await context.monitor.step()
        await tell(context.redis, "orders", checked=time())
        for _ in range(2):
            await context.monitor.step()
    told = [(line["log_level"], line["event"], line["mailbox"]) for line in lines]
    assert told == [("warning", "a mailbox is not read", "orders"), ("info", "a mailbox is read again", "orders")]


async def test_a_redis_that_was_away_makes_nobody_look_dead(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.monitor.LOOK", 0.01)
    own = RedisServer().start()
    redis = connect(own.url)
    monitor = Monitor(redis, context.hub, context.settings.mailboxes)
    monitor._watching = Watching(time() - 3_600)
    looking = asyncio.create_task(monitor.run())
    try:
        await eventually(lambda: monitor.overview is not None and monitor.overview.alone)
        own.kill()
        await eventually(lambda: monitor._watching is None)
        own.start()
        await eventually(lambda: monitor.overview is not None and not monitor.overview.alone)
    finally:
        await end(looking)
        await redis.aclose()
        own.stop()

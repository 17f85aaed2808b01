"""Compare docs/stream.schema.json with what a running server sends."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from server.context import Context
from server.http.event_schemas import event_schema
from tests.docs.conftest import PATIENCE
from tests.server.conftest import make_settings
from tests.server.status.test_monitor import MAILBOX, record, simulate_worker
from tests.support.items import publish
from tests.support.program import PROJECT
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream, Message
from tests.support.waiting import eventually
from workitems.base import keys
from workitems.queue.change import ItemChange
from workitems.settings import Settings

Open = Callable[..., EventStream]

SCHEMA: dict[str, Any] = json.loads((PROJECT / "docs/stream.schema.json").read_text(encoding="utf-8"))
EVENTS = sorted(SCHEMA["$defs"].keys() - {"item"})
VALIDATOR = Draft202012Validator(SCHEMA)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Return a server that may be killed."""
    server = RedisServer().start()
    yield server
    server.stop()


@pytest.fixture
def settings(own_redis: RedisServer, tmp_path: Path) -> Settings:
    stream = {"heartbeat_seconds": 0.5, "max_streams_per_user": 2}
    mailboxes = {"claims": MAILBOX, "orders": MAILBOX}
    return make_settings(own_redis.url, tmp_path, stream=stream, mailboxes=mailboxes)


def example(event: str) -> dict[str, Any]:
    (found,) = SCHEMA["$defs"][event]["examples"]
    return copy.deepcopy(found)


def test_the_file_is_the_schema_that_the_server_generates() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert event_schema() == SCHEMA, "python -m server.http.event_schemas > docs/stream.schema.json"


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_has_a_valid_example_and_may_have_more_names(event: str) -> None:
    sample = example(event)
    VALIDATOR.validate(sample)
    sample["news"] = {"of": "a later version"}
    if "data" in sample:
        sample["data"]["news"] = 1
    VALIDATOR.validate(sample)


@pytest.mark.parametrize("event", [event for event in EVENTS if len(example(event)) > 1 and event != "busy"])
def test_an_event_without_a_required_name_is_not_valid(event: str) -> None:
    for name in example(event).keys() - {"event"}:
        sample = example(event)
        del sample[name]
        assert not VALIDATOR.is_valid(sample), name


def test_an_unknown_event_is_valid() -> None:
    assert VALIDATOR.is_valid({"event": "something_new", "data": 1})
    assert not VALIDATOR.is_valid({"data": 1})


async def test_a_running_server_sends_every_event_and_only_valid_ones(
    context: Context, open_stream: Open, own_redis: RedisServer
) -> None:
    messages: list[Message] = []
    await simulate_worker(context.redis)
    async with open_stream() as stream, open_stream(path="/sse/workitems?status=new") as narrow:
        await stream.next("heartbeat", within=PATIENCE)
        await narrow.next("connected", within=PATIENCE)
        async with open_stream() as third:
            messages.append(await third.next("busy", within=PATIENCE))
        (item,) = await publish(context, 1)
        await context.store.change(item, ItemChange(status="done"), who="ann")
        left = await narrow.next("workitem_updated", within=PATIENCE)
        await context.removal.remove(item, who="ann", why="a test")
        await record(context.redis, "claims", state="needs_sign_in", error="refused", since=time())
        await record(context.redis, "orders", todo=100, taken=40)
        await context.redis.zadd(keys.QUARANTINE, {"wi_x": time() * 1000})
        for event in ("workitem_removed", "mailbox_status", "import_progress", "intake_status"):
            await stream.until(lambda seen, event=event: any(m.json["event"] == event for m in seen), within=PATIENCE)
        messages += stream.messages
    await eventually(lambda: context.stream_limits.open_count == 0, PATIENCE)
    async with open_stream(headers={"Last-Event-ID": "1-1"}) as back:
        messages.append(await back.next("reset", within=PATIENCE))
        await eventually(lambda: context.hub.joined_streams, PATIENCE)
        context.hub.deadlines.rotate(*context.hub.joined_streams)
        await back.next("rotate", within=PATIENCE)
        own_redis.kill()
        await back.next("store_status", within=PATIENCE)
        messages += back.messages
    for message in (*messages, *narrow.messages):
        VALIDATOR.validate(message.json)
    assert left.json["left"] is True
    assert {message.json["event"] for message in messages} == set(EVENTS)

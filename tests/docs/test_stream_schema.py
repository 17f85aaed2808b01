"""docs/stream.schema.json against what a running server tells."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from server.context import Context
from server.event_schemas import description
from tests.server.conftest import make_settings
from tests.server.test_monitor import MAILBOX, at_work, tell
from tests.server.test_stream import eventually, publish
from tests.support.program import PROJECT
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream, Message
from workitems import keys
from workitems.settings import Settings
from workitems.store import Change

Open = Callable[..., EventStream]

SCHEMA: dict[str, Any] = json.loads((PROJECT / "docs/stream.schema.json").read_text(encoding="utf-8"))
EVENTS = sorted(SCHEMA["$defs"].keys() - {"item"})
VALIDATOR = Draft202012Validator(SCHEMA)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """One that may be killed."""
    server = RedisServer().start()
    yield server
    server.stop()


@pytest.fixture
def settings(own_redis: RedisServer, tmp_path: Path) -> Settings:
    stream = {"heartbeat": 0.5, "most_user": 2}
    mailboxes = {"claims": MAILBOX, "orders": MAILBOX}
    return make_settings(own_redis.url, tmp_path, stream=stream, mailboxes=mailboxes)


def example(event: str) -> dict[str, Any]:
    (found,) = SCHEMA["$defs"][event]["examples"]
    return copy.deepcopy(found)


def test_the_file_is_what_the_server_knows_and_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert description() == SCHEMA, "python -m server.event_schemas > docs/stream.schema.json"


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_has_an_example_that_is_valid_and_gains_names_without_harm(event: str) -> None:
    told = example(event)
    VALIDATOR.validate(told)
    told["news"] = {"of": "a later version"}
    if "data" in told:
        told["data"]["news"] = 1
    VALIDATOR.validate(told)


@pytest.mark.parametrize("event", [event for event in EVENTS if len(example(event)) > 1 and event != "busy"])
def test_an_event_that_lost_what_clients_rely_on_is_not_valid(event: str) -> None:
    for name in example(event).keys() - {"event"}:
        told = example(event)
        del told[name]
        assert not VALIDATOR.is_valid(told), name


def test_an_event_that_nobody_knows_yet_is_valid() -> None:
    assert VALIDATOR.is_valid({"event": "something_new", "data": 1})
    assert not VALIDATOR.is_valid({"data": 1})


async def test_everything_that_a_running_server_tells_is_valid_and_every_event_is_among_it(
    context: Context, open_stream: Open, own_redis: RedisServer
) -> None:
    told: list[Message] = []
    await at_work(context.redis)
    async with open_stream() as stream, open_stream(path="/sse/workitems?status=new") as narrow:
        await stream.next("heartbeat")
        await narrow.next("connected")
        async with open_stream() as third:
            told.append(await third.next("busy"))
        (item,) = await publish(context, 1)
        await context.store.change(item, Change(status="done"), who="ann")
        left = await narrow.next("workitem_updated")
        await context.removal.remove(item, who="ann", why="a test")
        await tell(context.redis, "claims", state="needs_sign_in", error="refused", since=time())
        await tell(context.redis, "orders", todo=100, taken=40)
        await context.redis.zadd(keys.QUARANTINE, {"wi_x": time() * 1000})
        for event in ("workitem_removed", "mailbox_status", "import_progress", "intake_status"):
            await stream.until(lambda seen, event=event: any(m.json["event"] == event for m in seen))
        told += stream.messages
    await eventually(lambda: context.limits.open == 0)
    async with open_stream(headers={"Last-Event-ID": "1-1"}) as back:
        told.append(await back.next("reset"))
        context.hub.rotate(*context.hub.streams)
        await back.next("rotate")
        own_redis.kill()
        await back.next("store_status")
        told += back.messages
    for message in (*told, *narrow.messages):
        VALIDATOR.validate(message.json)
    assert left.json["left"] is True
    assert {message.json["event"] for message in told} == set(EVENTS)

"""Test items."""

from pathlib import Path
from typing import Any

import pytest

from server.context import Context
from tests.server.conftest import make_settings
from tests.server.handlers.conftest import Call, body, error
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.settings import Settings


@pytest.fixture
def allowed() -> bool:
    return True


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, allowed: bool) -> Settings:
    return make_settings(redis_url, tmp_path, server={"test_items": allowed})


async def test_a_test_item_is_an_item_of_the_queue_and_of_the_feed(call: Call, context: Context) -> None:
    asked = {
        "subject": "Hello",
        "extracted_fields": {"amount": {"amount": "1250.00", "currency": "USD"}, "none": None},
        "from_email": "ada@example.com",
        "from_name": "Ada",
        "to": ["desk@example.com"],
        "preview": "It is …",
        "mailbox": "claims",
    }
    response = await call("POST", "/api/test/workitem", json=asked)
    item = body(response)
    assert response.code == 201
    assert item["test"] is True
    assert item["extracted_fields"] == {"amount": {"amount": "1250.00", "currency": "USD"}}
    assert {name: item[name] for name in ("subject", "from_email", "from_name", "to", "preview", "mailbox")} == {
        name: value for name, value in asked.items() if name != "extracted_fields"
    }
    assert body(await call("GET", "/api/workitems"))["items"] == [item]
    (event,) = await feed.read_events(context.redis, START_CURSOR)
    assert event.mailbox == "claims"
    assert f'"id":"{item["id"]}"'.encode() in event.data


async def test_an_empty_body_is_accepted(call: Call) -> None:
    item = body(await call("POST", "/api/test/workitem"))
    assert item["subject"] == "Test item"
    assert item["mailbox"] == "intake"


@pytest.mark.parametrize("allowed", [False])
async def test_a_server_without_test_items_refuses_them(call: Call, allowed: bool) -> None:
    assert not allowed
    response = await call("POST", "/api/test/workitem", json={})
    assert error(response) == (403, "test_items_disabled", None)
    assert "server.test_items" in body(response)["error"]["message"]
    assert body(await call("GET", "/api/session"))["test_items"] is False


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"subject": 1}, "subject"),
        ({"subject": "x" * 1_001}, "subject"),
        ({"to": "ada@example.com"}, "to"),
        ({"to": [1]}, "to[0]"),
        ({"to": ["a"] * 51}, "to"),
        ({"extracted_fields": []}, "extracted_fields"),
        ({"extracted_fields": {f"f{n}": 1 for n in range(51)}}, "extracted_fields"),
        ({"extracted_fields": {"a": "x" * 4_001}}, "extracted_fields.a"),
        ({"extracted_fields": {"": 1}}, "extracted_fields."),
        ({"mailbox": "new"}, "mailbox"),
        ({"mailbox": ["claims"]}, "mailbox"),
        ({"status": "done"}, "status"),
    ],
)
async def test_what_is_wrong_is_named(call: Call, asked: Any, field: str) -> None:
    assert error(await call("POST", "/api/test/workitem", json=asked)) == (422, "invalid", field)


async def test_a_huge_body_is_refused(call: Call) -> None:
    response = await call("POST", "/api/test/workitem", body=b" " * 70_000)
    assert error(response) == (413, "too_large", None)


async def test_a_test_item_needs_one_round_trip_to_redis(call: Call, context: Context) -> None:
    await call("POST", "/api/test/workitem", json={})
    commands = ("hgetall", "evalsha")

    async def calls() -> dict[str, int]:
        stats = await context.redis.info("commandstats")
        return {name: stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in commands}

    before = await calls()
    await call("POST", "/api/test/workitem", json={})
    after = await calls()
    assert {name: after[name] - before[name] for name in commands} == {"hgetall": 0, "evalsha": 1}

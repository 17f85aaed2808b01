"""`DELETE` for administrators, raw mail that is no longer kept, and the quarantine."""

import errno
import json
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from server.context import Context
from tests.server.handlers.conftest import Call, body, error
from workitems.base import keys
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.origin import MailOrigin
from workitems.queue.item import MACHINE_DEFAULTS

Publish = Callable[..., Awaitable[str]]
RAW = b"Message-ID: <a@example.com>\r\nFrom: Ann <ann@example.com>\r\nSubject: A claim\r\n\r\nHello.\r\n"


@pytest.fixture
def came(context: Context) -> Callable[[], Awaitable[str]]:
    """Return a function that publishes a mail that could not be read."""

    async def make() -> str:
        put = await context.intake.put(RAW, MailOrigin("claims", datetime(2026, 1, 2, tzinfo=UTC), "test", len(RAW)))
        await ConsumerGroup(context.redis).ensure_group()
        (waiting,) = await ConsumerGroup(context.redis).take(context.redis, "reader", count=1, block_seconds=0.01)
        (version,) = await context.mailstore.kept_sidecars(put.id)
        machine = MACHINE_DEFAULTS | {"created_at": "2026-01-02T03:04:05Z", "reason": "it is odd", "subject": "A claim"}
        await context.store.publish(
            put.id, "claims", machine, raws=[version.raw], entry=waiting.entry_id, quarantined=True
        )
        return put.id

    return make


async def test_an_administrator_removes_an_item_for_good(context: Context, call: Call, came: Any) -> None:
    item_id = await came()
    await context.mailstore.store_reading(item_id, {"text": "Hello."}, [b"a file"])
    path = f"/api/workitems/{item_id}"
    answer = await call("DELETE", f"{path}?reason=asked%20for")
    assert answer.code == 200
    assert body(answer)["status"] == "removed"
    assert "append-only" in body(answer)["message"]
    for gone in (path, f"{path}/raw", f"{path}/message", f"{path}/attachments/1"):
        assert error(await call("GET", gone)) == (404, "not_found", None)
    assert error(await call("DELETE", path)) == (404, "not_found", None)
    assert error(await call("PATCH", path, json={"status": "done"})) == (404, "not_found", None)
    tombstone = json.loads(await context.redis.get(keys.gone(item_id)))
    assert (tombstone["who"], tombstone["why"]) == ("demo", "asked for")


async def test_only_an_administrator_removes_an_item(context: Context, call: Call, publish: Publish) -> None:
    path = f"/api/workitems/{await publish()}"
    token = await context.auth.accounts.add_key("program", ["read", "write", "intake", "test"])
    assert error(await call("DELETE", path, token=token)) == (403, "forbidden", None)
    assert error(await call("DELETE", path, token=None)) == (401, "unauthorized", None)
    assert error(await call("DELETE", f"{path}?reason={'x' * 201}")) == (422, "invalid", "reason")
    assert (await call("GET", path)).code == 200


async def test_an_item_is_removed_even_when_the_disk_fails(
    context: Context, call: Call, came: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = await came()

    def broken(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "rmtree", broken)
    answer = await call("DELETE", f"/api/workitems/{item_id}")
    assert answer.code == 200
    assert "as soon as the disk" in body(answer)["message"]
    assert await context.redis.zcard(keys.REMOVING) == 1


async def test_raw_mail_that_is_no_longer_kept_differs_from_an_absent_one(
    context: Context, call: Call, came: Any, publish: Publish
) -> None:
    item_id = await came()
    (await context.mailstore.raw_path(item_id)).unlink()
    for method, verb in (("GET", "raw"), ("POST", "retry")):
        answer = await call(method, f"/api/workitems/{item_id}/{verb}")
        assert error(answer) == (410, "no_longer_kept", None)
        assert "no longer kept" in body(answer)["error"]["message"]
        assert error(await call(method, f"/api/workitems/{await publish()}/{verb}")) == (404, "not_found", None)


async def test_mail_that_could_not_be_read_is_listed_and_read_again_on_request(
    context: Context, call: Call, came: Any
) -> None:
    assert body(await call("GET", "/api/quarantine")) == {"count": 0, "oldest": None, "items": []}
    item_id = await came()
    found = body(await call("GET", "/api/quarantine"))
    assert found["count"] == 1
    assert 0 <= found["oldest"] < 60
    ((item),) = found["items"]
    assert (item["id"], item["reason"]) == (item_id, "it is odd")
    for _ in range(2):
        answer = await call("POST", f"/api/workitems/{item_id}/retry")
        assert (answer.code, body(answer)) == (202, {"status": "pending"})
    assert await context.intake.count_waiting() == 1
    assert body(await call("GET", "/api/quarantine?start=1"))["items"] == []
    assert error(await call("GET", "/api/quarantine?limit=0")) == (422, "invalid", "limit")


async def test_a_retry_needs_the_scope_write(context: Context, call: Call, came: Any) -> None:
    token = await context.auth.accounts.add_key("reader", ["read"])
    path = f"/api/workitems/{await came()}/retry"
    assert error(await call("POST", path, token=token)) == (403, "forbidden", None)


async def test_an_item_that_was_changed_since_is_not_removed(call: Call, publish: Publish) -> None:
    path = f"/api/workitems/{await publish()}"
    await call("PATCH", path, json={"status": "waiting"})
    answer = await call("DELETE", path, headers={"If-Match": '"1"'})
    assert (error(answer), body(answer)["item"]["status"]) == ((409, "conflict", None), "waiting")
    assert error(await call("DELETE", path, headers={"If-Match": "1, 2"})) == (422, "invalid", "If-Match")
    assert (await call("DELETE", path, headers={"If-Match": '"2"'})).code == 200

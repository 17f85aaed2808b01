"""Calls to a server under test, and items in it."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.ioloop import IOLoop

from server.context import Context
from server.handlers.testitem import fresh_id
from server.main import assemble
from tests.server.conftest import TOKEN
from workitems.item import MACHINE
from workitems.settings import Settings


@pytest.fixture
def context(io_loop: IOLoop, settings: Settings) -> Iterator[Context]:
    """The process's parts; nobody reads the feed, since no stream is opened here."""
    stack = AsyncExitStack()

    async def up() -> Context:
        context, _ = await assemble(settings, stack)
        return context

    yield io_loop.run_sync(up)
    io_loop.run_sync(stack.aclose)


Call = Callable[..., Awaitable[HTTPResponse]]

#: Seconds for an answer.
PATIENCE = 20


@pytest.fixture
def call(http_server: Any, http_server_port: tuple[Any, int]) -> Call:
    """`await call("PATCH", path, json=…, token=…)`: never follows, never raises for a status."""

    async def fetch(
        method: str, path: str, *, json: Any = None, token: str | None = TOKEN, **more: Any
    ) -> HTTPResponse:
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        if json is not None:
            more["body"] = dumps(json)
        if method in ("POST", "PATCH") and "body" not in more and "body_producer" not in more:
            more["body"] = b""
        return await AsyncHTTPClient().fetch(
            f"http://127.0.0.1:{http_server_port[1]}{path}",
            method=method,
            headers=headers,
            raise_error=False,
            follow_redirects=False,
            request_timeout=PATIENCE,
            **more,
        )

    return fetch


def dumps(value: Any) -> str:
    return json.dumps(value)


def body(response: HTTPResponse) -> Any:
    """The answer's JSON."""
    return json.loads(response.body)


def error(response: HTTPResponse) -> tuple[int, str, str | None]:
    """Status, code and field of a refusal, which must have the one shape that all have."""
    told = body(response)["error"]
    assert response.headers["Content-Type"] == "application/json"
    assert set(told) == {"code", "message", "field"}
    assert told["message"]
    return response.code, told["code"], told["field"]


def cookies(response: HTTPResponse) -> dict[str, str]:
    """Name and value of what the answer sets."""
    return dict(line.split(";")[0].split("=", 1) for line in response.headers.get_list("Set-Cookie"))


def cookie_header(**values: str) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in values.items())}


@pytest.fixture
def publish(context: Context) -> Callable[..., Awaitable[str]]:
    """Makes an item as a reader would; answers its id."""

    async def make(*, mailbox: str = "claims", reading: dict[str, Any] | None = None, **machine: Any) -> str:
        item_id = machine.pop("item_id", None) or fresh_id()
        files = machine.pop("files", ())
        if reading is not None:
            await context.mailstore.put_reading(item_id, reading, files)
        whole = MACHINE | {"created_at": "2026-01-02T03:04:05Z", "subject": "A claim"} | machine
        await context.store.publish(item_id, mailbox, whole)
        return item_id

    return make

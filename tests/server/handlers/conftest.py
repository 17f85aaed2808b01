"""Calls to a server under test, and items in it."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.ioloop import IOLoop

from server.access.credential_guard import CredentialGuard
from server.access.refused_tries import RefusedTries
from server.access.sign_in_guard import SignInGuard
from server.context import Context
from server.handlers.test_item import new_item_id
from server.main import build_context
from tests.server.conftest import TOKEN
from workitems.queue.item import MACHINE_DEFAULTS
from workitems.settings import Settings


@pytest.fixture
def context(io_loop: IOLoop, settings: Settings) -> Iterator[Context]:
    """Make the parts of the process without the feed reader, since no stream is opened here."""
    stack = AsyncExitStack()

    async def up() -> Context:
        context, _ = await build_context(settings, stack)
        await context.intake.reconcile()
        return context

    yield io_loop.run_sync(up)
    io_loop.run_sync(stack.aclose)


Call = Callable[..., Awaitable[HTTPResponse]]

#: Seconds to wait for an answer or a condition: far more than a busy machine needs.
PATIENCE = 30


@pytest.fixture
def call(http_server: Any, http_server_port: tuple[Any, int]) -> Call:
    """Return `call(method, path, json=…, token=…)`: it follows no redirect and raises for no status.

    Names of cookies are written without the port, which the real ones end with, unless there is a header `Host`.
    """
    port = http_server_port[1]

    async def fetch(
        method: str, path: str, *, json: Any = None, token: str | None = TOKEN, **more: Any
    ) -> HTTPResponse:
        headers = dict(more.pop("headers", {}))
        if "Cookie" in headers and "Host" not in headers:
            headers["Cookie"] = re.sub(r"(tubepost_[a-z]+)=", rf"\1_{port}=", headers["Cookie"])
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        if json is not None:
            more["body"] = dumps(json)
        if method in ("POST", "PATCH") and "body" not in more and "body_producer" not in more:
            more["body"] = b""
        return await AsyncHTTPClient().fetch(
            f"http://127.0.0.1:{port}{path}",
            method=method,
            headers=headers,
            raise_error=False,
            follow_redirects=False,
            request_timeout=PATIENCE,
            **more,
        )

    return fetch


@pytest.fixture
def stopped_clock(context: Context) -> None:
    """Stop the clock of the guards, so that no try becomes free again however slow the machine is."""
    auth = context.auth
    counts = auth.refused.counts  # the metrics have them
    auth.refused = RefusedTries(lambda: 0.0)
    auth.refused.counts = counts
    auth.guard = CredentialGuard(auth.refused, lambda: 0.0)
    auth.sign_in_guard = SignInGuard(auth.refused, lambda: 0.0)


async def until(condition: Callable[[], object]) -> None:
    """Wait until *condition* is true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def dumps(value: Any) -> str:
    return json.dumps(value)


def body(response: HTTPResponse) -> Any:
    """Return the JSON of the response."""
    return json.loads(response.body)


def error(response: HTTPResponse) -> tuple[int, str, str | None]:
    """Return status, code and field of an error response, and check its common shape."""
    refusal = body(response)["error"]
    assert response.headers["Content-Type"] == "application/json"
    assert set(refusal) == {"code", "message", "field"}
    assert refusal["message"]
    return response.code, refusal["code"], refusal["field"]


def cookies(response: HTTPResponse) -> dict[str, str]:
    """Return the names, without the port, and values of the cookies that the response sets."""
    pairs = (line.split(";")[0].split("=", 1) for line in response.headers.get_list("Set-Cookie"))
    return {re.sub(r"_\d+$", "", name): value for name, value in pairs}


def cookie_header(**values: str) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in values.items())}


@pytest.fixture
def publish(context: Context) -> Callable[..., Awaitable[str]]:
    """Return a function that publishes an item and returns its id."""

    async def make(*, mailbox: str = "claims", reading: dict[str, Any] | None = None, **machine: Any) -> str:
        item_id = machine.pop("item_id", None) or new_item_id()
        files = machine.pop("files", ())
        if reading is not None:
            await context.mailstore.store_reading(item_id, reading, files)
        whole = MACHINE_DEFAULTS | {"created_at": "2026-01-02T03:04:05Z", "subject": "A claim"} | machine
        await context.store.publish(item_id, mailbox, whole)
        return item_id

    return make

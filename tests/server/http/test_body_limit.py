"""A body that is too large for memory is refused with an error of the usual shape, whichever way it comes."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from server.app import BoundedApplication
from server.http.body_limit import MAX_BODY_BYTES, MAX_OPEN_BODY_BYTES, NETWORK_BODIES_BYTES
from tests.server.handlers.conftest import Call, body, call, context, dumps, error, publish, until

__all__ = ["call", "context", "publish"]

ITEM = "/api/workitems/wi_" + "a" * 26

LARGE = b'{"status": "' + b"x" * MAX_BODY_BYTES + b'"}'

Write = Callable[[bytes], Awaitable[None]]


def in_chunks(data: bytes) -> Callable[[Write], Awaitable[None]]:
    async def produce(write: Write) -> None:
        for start in range(0, len(data), 100_000):
            await write(data[start : start + 100_000])

    return produce


@pytest.mark.parametrize("way", ["at once", "in chunks"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", ITEM), ("POST", ITEM + "/retry"), ("POST", "/api/test/workitem")],
)
async def test_a_body_of_more_than_1_mib_gets_413(call: Call, method: str, path: str, way: str) -> None:
    sent: dict[str, Any] = {"body": LARGE} if way == "at once" else {"body_producer": in_chunks(LARGE)}
    response = await call(method, path, headers={"Content-Type": "application/json"}, **sent)
    assert error(response) == (413, "too_large", None)
    assert body(response)["error"]["message"] == "at most 1,048,576 bytes are accepted"


async def test_a_smaller_body_in_chunks_is_accepted(call: Call, publish: Any) -> None:
    item_id = await publish()
    change = dumps({"status": "waiting"}).encode() + b" " * 300_000
    response = await call("PATCH", f"/api/workitems/{item_id}", body_producer=in_chunks(change))
    assert response.code == 200
    assert body(response)["status"] == "waiting"


@pytest.mark.parametrize("way", ["at once", "in chunks"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/login"), ("POST", "/logout"), ("POST", "/api/csp-report"), ("POST", "/nothing"), ("PATCH", "/")],
)
async def test_a_body_of_more_than_16_kib_gets_413_where_no_sign_in_is_needed(
    call: Call, method: str, path: str, way: str
) -> None:
    large = LARGE[: MAX_OPEN_BODY_BYTES + 1]
    sent: dict[str, Any] = {"body": large} if way == "at once" else {"body_producer": in_chunks(large)}
    response = await call(method, path, **sent)
    assert error(response) == (413, "too_large", None)
    assert body(response)["error"]["message"] == "at most 16,384 bytes are accepted"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def test_bodies_that_never_become_complete_fill_only_a_part_of_the_memory(
    call: Call, app: BoundedApplication, http_server_port: tuple[Any, int], stack: ExitStack, publish: Any
) -> None:
    loop, item_id = asyncio.get_running_loop(), await publish()
    head = f"PATCH {ITEM} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MAX_BODY_BYTES}\r\n\r\n".encode()
    clients = [stack.enter_context(socket.socket()) for _ in range(NETWORK_BODIES_BYTES // MAX_BODY_BYTES)]
    for client in clients:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", http_server_port[1]))
        await loop.sock_sendall(client, head + b"x" * (MAX_BODY_BYTES - 1))
    await until(lambda: app.bodies.reserved_bytes == NETWORK_BODIES_BYTES - len(clients))
    change = dumps({"status": "waiting"}).encode()
    response = await call("PATCH", f"/api/workitems/{item_id}", body=change)
    assert error(response) == (503, "busy", None)
    assert int(response.headers["Retry-After"]) > 0
    stack.close()
    await until(lambda: app.bodies.reserved_bytes == 0)
    assert (await call("PATCH", f"/api/workitems/{item_id}", body=change)).code == 200
    assert app.bodies.reserved_bytes == 0

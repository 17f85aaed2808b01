"""Many streams, many filters, slow replays: nobody is forgotten, and the event loop stays free."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server import sse
from server.connection import Stream
from server.context import Context
from server.revocation import Revocation
from tests.server.conftest import make_settings
from tests.server.test_stream import eventually, publish
from tests.support.stream_pair import Open
from workitems.settings import Settings

#: Streams of a crowd.
MANY = 1_500


Join = Callable[..., list[Stream]]


@pytest.fixture
def join(context: Context, opened: Open) -> Join:
    """Joins streams to the hub, one for each of the filters; nobody reads them."""

    def make(*filters: sse.Filter) -> list[Stream]:
        streams = [opened(hub=context.hub)[0] for _ in filters]
        for stream, wanted in zip(streams, filters, strict=True):
            stream.filter = wanted
            context.hub.join(stream)
        return streams

    return make


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, stream={"stall": 30})


async def turns_during(work: Awaitable[Any]) -> int:
    """How often others could run meanwhile."""
    task, turns = asyncio.ensure_future(work), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    await task
    return turns


async def slow_replay(context: Context, port: int, key: str) -> tuple[socket.socket, Stream]:
    """A client that comes back 700 events behind and does not read."""
    await publish(context, *range(701))
    await eventually(lambda: context.hub.ring.head.n == 701)
    cursor = f"{context.hub.ring.head.epoch}-1"
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    request = (
        f"GET /sse/workitems HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nLast-Event-ID: {cursor}\r\n\r\n"
    )
    await asyncio.get_running_loop().sock_sendall(client, request.encode())
    await eventually(lambda: len(context.hub.open) == 1)
    (stream,) = context.hub.open
    stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return client, stream


def id_of_rotate(got: bytes) -> bytes:
    """The `id:` of the message that asks to rotate, b"" without one."""
    found = re.search(rb'(?:^|\n)(id: \S+\n)?data: \{"event":"rotate"', got)
    assert found
    return found[1] or b""


@pytest.fixture(autouse=True)
def small_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a replay has to wait for its reader."""
    from server.handlers import stream as module

    def take_small(stream: Any) -> socket.socket | None:
        taken = taken_before(stream)
        if taken is not None and taken.family == socket.AF_INET:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return taken

    taken_before = module.take
    monkeypatch.setattr(module, "take", take_small)


async def test_a_stream_that_is_still_told_what_it_missed_is_open_and_can_be_revoked(
    context: Context, http_server: Any, http_server_port: tuple[object, int]
) -> None:
    key = await context.auth.people.add_key("board", ["read"])
    client, stream = await slow_replay(context, http_server_port[1], key)
    assert context.hub.streams == []
    assert context.stats.own()["open"] == 1
    await context.auth.people.remove_key("board")
    await Revocation(context.hub, context.auth, scope="read").step()
    assert stream.closed
    assert context.hub.counts["closed_revoked"] == 1
    await eventually(lambda: not context.hub.open)
    client.close()


async def test_a_replay_has_its_greatest_age_and_ends_whole(
    context: Context, http_server: Any, http_server_port: tuple[object, int]
) -> None:
    key = await context.auth.people.add_key("board", ["read"])
    client, stream = await slow_replay(context, http_server_port[1], key)
    stream.rotate_at = 0.0
    got = b""
    async with asyncio.timeout(20):
        while b'"rotate"' not in got:
            got += await asyncio.get_running_loop().sock_recv(client, 4096)
        stream.end_at = 0.0
        while data := await asyncio.get_running_loop().sock_recv(client, 4096):
            got += data
    assert not id_of_rotate(got), "the head, which this stream was not told yet, would be taken for told"
    assert got.endswith(sse.LAST_CHUNK)
    assert context.hub.counts["closed_rotate"] == 1
    client.close()


async def test_a_drain_waits_for_a_stream_that_is_still_told_what_it_missed(
    context: Context, http_server: Any, http_server_port: tuple[object, int]
) -> None:
    key = await context.auth.people.add_key("board", ["read"])
    client, stream = await slow_replay(context, http_server_port[1], key)
    drain = asyncio.create_task(context.hub.drain(3.0))
    got = b""
    async with asyncio.timeout(20):
        while data := await asyncio.get_running_loop().sock_recv(client, 4096):
            got += data
        await drain
    assert not id_of_rotate(got)
    assert got.endswith(sse.LAST_CHUNK)
    assert stream.closed
    client.close()


async def test_as_many_filters_as_streams_do_not_hold_the_loop(context: Context, join: Join) -> None:
    join(*(sse.Filter(frozenset([f"m{number}"])) for number in range(MANY)))
    await publish(context, *range(50))
    await eventually(lambda: context.hub.ring.head.n == 50)
    events = context.hub.ring.after(replace(context.hub.ring.head, n=1)) or []
    assert len(events) == 49
    assert await turns_during(context.hub.publish(events)) >= 3, "two are no rest"


async def test_the_end_of_many_streams_does_not_hold_the_loop(context: Context, join: Join) -> None:
    streams = join(*[sse.EVERYTHING] * MANY)
    assert await turns_during(context.hub.drain(0)) > 3
    assert all(stream.closed for stream in streams)


async def test_a_replay_from_memory_lets_others_in_between(context: Context, join: Join) -> None:
    await publish(context, *range(300))
    await eventually(lambda: context.hub.ring.head.n == 300)
    (stream,) = join(sse.EVERYTHING)
    first = replace(context.hub.ring.head, n=1)
    assert await turns_during(context.resume._replay(stream, first, 0)) >= 4, "a page has 64 events"
    assert stream.queued == 0, "nothing had to wait for the reader"


async def test_a_filter_that_cannot_be_is_refused_and_not_cut_short(context: Context, http_server_client: Any) -> None:
    many = "&".join(f"mailbox=m{number}" for number in range(101))
    for wrong in (many, "mailbox=", "mailbox=A B"):
        answer = await http_server_client.fetch(
            f"/sse/workitems?{wrong}".replace(" ", "%20"),
            headers={"Authorization": "Bearer a-token-for-tests"},
            raise_error=False,
        )
        assert answer.code == 422, wrong

"""Many streams, many filters, slow replays: every stream is counted, and the event loop stays free."""

import asyncio
import re
import socket
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.access.authentication import Credential
from server.context import Context
from server.stream import sse
from server.stream.connection import Stream
from server.stream.drain import drain
from server.stream.hub import Hub
from server.stream.revocation import RevocationChecker
from tests.server.conftest import make_settings
from tests.support.items import publish
from tests.support.stream_pair import Open
from tests.support.waiting import PATIENCE, eventually
from workitems.feed.event import Cursor, Event
from workitems.settings import Settings, StreamSettings

#: Streams of the tests with many.
MANY = 1_500


#: The credential of all these streams.
CREDENTIAL = Credential("bearer", "x")


class SteppingClock:
    """A clock that advances when it is read, so that the speed of the machine does not matter."""

    #: Seconds from one read to the next.
    STEP = 0.001

    now = 0.0

    def __call__(self) -> float:
        self.now += self.STEP
        return self.now


def join(hub: Hub, opened: Open, wanted: sse.StreamFilter) -> Stream:
    """Join a stream with a filter to *hub*; no client reads it."""
    stream = opened(hub=hub)[0]
    stream.filter, stream.credential = wanted, CREDENTIAL
    hub.join(stream)
    return stream


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, stream={"stall_seconds": 30})


async def turns_during(work: Awaitable[Any]) -> int:
    """Count how often other tasks could run meanwhile."""
    task, turns = asyncio.ensure_future(work), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    await task
    return turns


async def slow_replay(context: Context, port: int, key: str) -> tuple[socket.socket, Stream]:
    """Connect a client that comes back 700 events behind and does not read."""
    await publish(context, *range(701))
    await eventually(lambda: context.hub.replay_buffer.head.n == 701)
    cursor = f"{context.hub.replay_buffer.head.epoch}-1"
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    headers = f"Host: localhost\r\nAuthorization: Bearer {key}\r\nLast-Event-ID: {cursor}"
    request = f"GET /sse/workitems HTTP/1.1\r\n{headers}\r\n\r\n"
    await asyncio.get_running_loop().sock_sendall(client, request.encode())
    await eventually(lambda: len(context.hub.open_streams) == 1)
    (stream,) = context.hub.open_streams
    stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return client, stream


def id_of_rotate(got: bytes) -> bytes:
    """Return the `id:` line of the `rotate` message, b"" without one."""
    found = re.search(rb'(?:^|\n)(id: \S+\n)?data: \{"event":"rotate"', got)
    assert found
    return found[1] or b""


@pytest.fixture(autouse=True)
def small_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make socket buffers small, so that a replay has to wait for its client."""
    from server.handlers import stream as module

    def take_small(stream: Any) -> socket.socket | None:
        taken = taken_before(stream)
        if taken is not None and taken.family == socket.AF_INET:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return taken

    taken_before = module.detach_socket
    monkeypatch.setattr(module, "detach_socket", take_small)


async def test_a_stream_in_replay_counts_as_open_and_can_be_revoked(
    context: Context, http_server: Any, http_server_port: tuple[object, int]
) -> None:
    key = await context.auth.accounts.add_key("board", ["read"])
    client, stream = await slow_replay(context, http_server_port[1], key)
    assert context.hub.joined_streams == []
    assert context.stats.process_report()["open"] == 1
    await context.auth.accounts.remove_key("board")
    await RevocationChecker(context.hub, context.auth, scope="read").check_once()
    assert stream.is_closed
    assert context.hub.counts["closed_revoked"] == 1
    await eventually(lambda: not context.hub.open_streams)
    client.close()


async def test_a_stream_in_replay_rotates_at_its_greatest_age_and_ends_properly(
    context: Context, http_server: Any, http_server_port: tuple[object, int]
) -> None:
    key = await context.auth.accounts.add_key("board", ["read"])
    client, stream = await slow_replay(context, http_server_port[1], key)
    stream.rotate_at = 0.0
    got = b""
    async with asyncio.timeout(PATIENCE):
        while b'"rotate"' not in got:
            got += await asyncio.get_running_loop().sock_recv(client, 4096)
        stream.end_at = 0.0
        while data := await asyncio.get_running_loop().sock_recv(client, 4096):
            got += data
    assert not id_of_rotate(got), "with the head as id, the client would skip events that it has not received"
    assert got.endswith(sse.LAST_CHUNK)
    assert context.hub.counts["closed_rotate"] == 1
    client.close()


async def test_a_drain_waits_for_a_stream_in_replay(
    context: Context, http_server: Any, http_server_port: tuple[object, int]
) -> None:
    key = await context.auth.accounts.add_key("board", ["read"])
    client, stream = await slow_replay(context, http_server_port[1], key)
    draining = asyncio.create_task(drain(context.hub, 3.0))
    got = b""
    async with asyncio.timeout(PATIENCE):
        while data := await asyncio.get_running_loop().sock_recv(client, 4096):
            got += data
        await draining
    assert not id_of_rotate(got)
    assert got.endswith(sse.LAST_CHUNK)
    assert stream.is_closed
    client.close()


async def test_one_filter_for_each_stream_does_not_hold_the_loop(opened: Open) -> None:
    hub = Hub(StreamSettings(), clock=SteppingClock())
    for number in range(MANY):
        join(hub, opened, sse.StreamFilter(frozenset([f"m{number}"])))
    event = Event(Cursor(1, 1), b"{}", mailbox="m1", status="new", previous_status="", published_at_ms=0)
    turns = await turns_during(hub.fan_out([event]))
    assert turns > MANY * SteppingClock.STEP / 0.01, "others can run at least every 10 ms of that clock"
    assert hub.longest_hold < 0.01


async def test_the_end_of_many_streams_does_not_hold_the_loop(opened: Open) -> None:
    hub = Hub(StreamSettings(), clock=SteppingClock())
    streams = [join(hub, opened, sse.UNFILTERED) for _ in range(MANY)]
    turns = await turns_during(hub.end_revoked([CREDENTIAL]))
    assert turns > MANY * SteppingClock.STEP / 0.01, "others can run at least every 10 ms of that clock"
    assert all(stream.is_closed for stream in streams)


async def test_a_replay_from_memory_lets_other_tasks_run(context: Context, opened: Open) -> None:
    await publish(context, *range(300))
    await eventually(lambda: context.hub.replay_buffer.head.n == 300)
    stream = join(context.hub, opened, sse.UNFILTERED)
    first = replace(context.hub.replay_buffer.head, n=1)
    assert await turns_during(context.stream_opener._replay(stream, first, 0)) >= 4, "a page has 64 events"
    assert stream.queued_bytes == 0, "no bytes had to wait for the client"


async def test_an_invalid_filter_is_refused_and_not_shortened(context: Context, http_server_client: Any) -> None:
    many = "&".join(f"mailbox=m{number}" for number in range(101))
    for wrong in (many, "mailbox=", "mailbox=A B"):
        answer = await http_server_client.fetch(
            f"/sse/workitems?{wrong}".replace(" ", "%20"),
            headers={"Authorization": "Bearer a-token-for-tests"},
            raise_error=False,
        )
        assert answer.code == 422, wrong

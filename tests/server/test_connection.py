"""One stream on a real socket: what it sends, what it holds for a slow reader, and how it ends."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from server import sse
from server.context import Context
from tests.server.conftest import TOKEN
from tests.server.test_stream import eventually
from tests.support.sse_client import EventStream
from tests.support.stream_pair import Open, everything


async def test_what_a_slow_reader_left_comes_whole_and_in_order(opened: Open) -> None:
    stream, reader, reasons = opened(buffer=1 << 24)
    frames = [b"%06d" % number * 2_000 for number in range(300)]
    for frame in frames:
        stream.write(frame)
    assert stream.since > 0
    assert 0 < stream.queued < stream.sent == sum(map(len, frames))
    stream.finish("rotate")
    assert await everything(reader) == b"".join(frames) + sse.LAST_CHUNK
    assert reasons == ["rotate"]
    assert (stream.queued, stream.since) == (0, 0.0)


async def test_a_reader_that_caught_up_is_written_to_directly_again(opened: Open) -> None:
    stream, reader, _ = opened()
    while not stream.queued:
        stream.write(b"x" * 10_000)
    async with asyncio.timeout(10):
        while stream.queued:
            await asyncio.get_running_loop().sock_recv(reader, 1 << 20)
    assert await stream.drained(1)
    stream.write(b"next")
    assert stream.queued == 0


async def test_a_reader_over_its_budget_is_closed_and_what_it_was_sent_is_not_held(opened: Open) -> None:
    stream, _, reasons = opened(buffer=50_000)
    for _ in range(1_000):
        stream.write(b"x" * 10_000)
    assert reasons == ["slow"]
    assert stream.closed
    assert stream.queued == 0
    assert not await stream.drained(1)


async def test_a_burst_that_is_larger_than_the_budget_makes_no_reader_slow(opened: Open) -> None:
    stream, reader, reasons = opened(buffer=50_000)
    burst = bytes(4_000_000)
    stream.write(burst)
    stream.finish("drain")
    assert await everything(reader) == burst + sse.LAST_CHUNK
    assert reasons == ["drain"]


async def test_frames_that_wait_are_shared_and_not_copied(opened: Open) -> None:
    (stream, _, _), (other, _, _) = opened(), opened()
    while not (stream.queued and other.queued):
        for each in (stream, other):
            each.write(b"x" * 10_000)
    frame = bytes(100_000)
    for each in (stream, other):
        each.write(frame)
    assert all(any(held is frame for held in each._held or ()) for each in (stream, other))


async def test_of_states_a_slow_reader_gets_the_newest_of_each_kind_after_all_else(opened: Open) -> None:
    stream, reader, reasons = opened(buffer=50_000)
    frames = 0
    while not stream.queued:
        stream.write(b"item ")
        frames += 1
    for number in range(10_000):
        stream.tell("store", b"store %d " % number)
        stream.tell("desk", b"desk %d " % number)
    assert stream.queued < 50_000
    stream.write(b"item ")
    asyncio.get_running_loop().call_later(0.2, lambda: stream.finish("drain"))
    got = await everything(reader)
    assert got == b"item " * (frames + 1) + b"store 9999 desk 9999 " + sse.LAST_CHUNK
    assert reasons == ["drain"]


async def test_a_byte_after_the_request_is_noise_and_an_end_is_the_client_s(opened: Open) -> None:
    (noisy, talker, told), (left, leaver, gone) = opened(), opened()
    talker.send(b"G")
    leaver.shutdown(socket.SHUT_WR)
    await eventually(lambda: noisy.closed and left.closed)
    assert (told, gone) == (["noise"], ["client"])


async def test_a_reader_that_is_gone_while_bytes_wait_ends_the_stream_once(opened: Open) -> None:
    stream, reader, reasons = opened()
    while not stream.queued:
        stream.write(b"x" * 10_000)
    reader.close()
    await eventually(lambda: stream.closed)
    stream.write(b"more")
    stream.finish("drain")
    assert reasons == ["client"]


async def test_the_last_chunk_comes_once_also_when_the_socket_is_full_just_then(opened: Open) -> None:
    stream, reader, _ = opened()

    def full(_: bytes) -> int:
        raise BlockingIOError

    stream.send = full  # type: ignore[assignment]
    stream.finish("drain")
    assert await everything(reader) == sse.LAST_CHUNK


async def test_the_end_does_not_wait_for_a_reader_that_never_reads(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.connection.LINGER", 0.1)
    stream, _, reasons = opened()
    while not stream.queued:
        stream.write(b"x" * 10_000)
    stream.finish("rotate")
    assert reasons == ["rotate"]
    await eventually(lambda: stream.queued == 0)


async def test_an_old_client_s_body_ends_with_its_connection(opened: Open) -> None:
    stream, reader, _ = opened(chunked=False)
    stream.write(stream.frame(b"data: x\n\n"))
    stream.finish("drain")
    assert await everything(reader) == b"data: x\n\n"


async def test_an_event_waits_for_no_acknowledgement_and_a_dead_peer_for_a_minute(
    context: Context, open_stream: Callable[..., EventStream]
) -> None:
    async with open_stream(token=TOKEN):
        (stream,) = context.hub.streams
        assert stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


@pytest.mark.parametrize("more", [b"G", b"GET /x HTTP/1.1\r\n\r\n"])
async def test_who_sends_more_with_the_request_gets_no_stream(
    context: Context, http_server: Any, http_server_port: tuple[object, int], more: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http_server_port[1])
    writer.write(b"GET /sse/workitems HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a-token-for-tests\r\n\r\n" + more)
    async with asyncio.timeout(10):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    assert (context.limits.open, context.hub.streams) == (0, [])

"""One stream on a real socket: what it sends, what it holds for a slow client, and how it ends."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from server.context import Context
from server.stream import sse
from tests.server.conftest import TOKEN
from tests.support.sse_client import EventStream
from tests.support.stream_pair import Open, everything
from tests.support.waiting import PATIENCE, eventually


async def test_bytes_that_waited_for_a_slow_client_come_complete_and_in_order(opened: Open) -> None:
    stream, reader, reasons = opened(buffer=1 << 24)
    frames = [b"%06d" % number * 2_000 for number in range(300)]
    for frame in frames:
        stream.write(frame)
    assert stream.blocked_since > 0
    assert 0 < stream.queued_bytes < sum(map(len, frames))
    stream.finish("rotate")
    assert await everything(reader) == b"".join(frames) + sse.LAST_CHUNK
    assert reasons == ["rotate"]
    assert (stream.queued_bytes, stream.blocked_since) == (0, 0.0)


async def test_after_a_client_caught_up_bytes_are_sent_directly_again(opened: Open) -> None:
    stream, reader, _ = opened()
    while not stream.queued_bytes:
        stream.write(b"x" * 10_000)
    async with asyncio.timeout(PATIENCE):
        while stream.queued_bytes:
            await asyncio.get_running_loop().sock_recv(reader, 1 << 20)
    assert await stream.wait_drained(1)
    stream.write(b"next")
    assert stream.queued_bytes == 0


async def test_a_client_with_too_many_waiting_bytes_is_closed_and_they_are_not_kept(opened: Open) -> None:
    stream, _, reasons = opened(buffer=50_000)
    for _ in range(1_000):
        stream.write(b"x" * 10_000)
    assert reasons == ["slow"]
    assert stream.is_closed
    assert stream.queued_bytes == 0
    assert not await stream.wait_drained(1)


async def test_one_burst_beyond_the_limit_does_not_make_a_client_slow(opened: Open) -> None:
    stream, reader, reasons = opened(buffer=50_000)
    burst = bytes(4_000_000)
    stream.write(burst)
    stream.finish("drain")
    assert await everything(reader) == burst + sse.LAST_CHUNK
    assert reasons == ["drain"]


async def test_waiting_frames_are_shared_and_not_copied(opened: Open) -> None:
    (stream, _, _), (other, _, _) = opened(), opened()
    while not (stream.queued_bytes and other.queued_bytes):
        for each in (stream, other):
            each.write(b"x" * 10_000)
    frame = bytes(100_000)
    for each in (stream, other):
        each.write(frame)
    assert all(any(held is frame for held in each._held or ()) for each in (stream, other))


async def test_a_slow_client_gets_the_newest_state_of_each_kind_last(opened: Open) -> None:
    stream, reader, reasons = opened(buffer=50_000)
    frames = 0
    while not stream.queued_bytes:
        stream.write(b"item ")
        frames += 1
    for number in range(10_000):
        stream.write_latest("store", b"store %d " % number)
        stream.write_latest("mailbox", b"mailbox %d " % number)
    assert stream.queued_bytes < 50_000
    stream.write(b"item ")
    reading = asyncio.create_task(everything(reader))
    await eventually(lambda: stream.can_send_directly)
    stream.finish("drain")
    got = await reading
    assert got == b"item " * (frames + 1) + b"store 9999 mailbox 9999 " + sse.LAST_CHUNK
    assert reasons == ["drain"]


async def test_a_byte_after_the_request_closes_the_stream_as_noise_and_an_end_as_client(opened: Open) -> None:
    (noisy, talker, noise), (left, leaver, end) = opened(), opened()
    talker.send(b"G")
    leaver.shutdown(socket.SHUT_WR)
    await eventually(lambda: noisy.is_closed and left.is_closed)
    assert (noise, end) == (["noise"], ["client"])


async def test_a_client_that_leaves_while_bytes_wait_ends_the_stream_once(opened: Open) -> None:
    stream, reader, reasons = opened()
    while not stream.queued_bytes:
        stream.write(b"x" * 10_000)
    reader.close()
    await eventually(lambda: stream.is_closed)
    stream.write(b"more")
    stream.finish("drain")
    assert reasons == ["client"]


async def test_the_last_chunk_comes_once_even_when_the_socket_is_full(opened: Open) -> None:
    stream, reader, _ = opened()

    def full(_: bytes) -> int:
        raise BlockingIOError

    stream.send = full  # type: ignore[assignment]
    stream.finish("drain")
    assert await everything(reader) == sse.LAST_CHUNK


async def test_the_end_does_not_wait_for_a_client_that_never_reads(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.stream.connection.LINGER", 0.1)
    stream, _, reasons = opened()
    while not stream.queued_bytes:
        stream.write(b"x" * 10_000)
    stream.finish("rotate")
    assert reasons == ["rotate"]
    await eventually(lambda: stream.queued_bytes == 0)


async def test_the_body_of_an_http_1_0_client_ends_with_its_connection(opened: Open) -> None:
    stream, reader, _ = opened(chunked=False)
    stream.write(stream.encode_payload(b"data: x\n\n"))
    stream.finish("drain")
    assert await everything(reader) == b"data: x\n\n"


async def test_an_event_waits_for_no_acknowledgement_and_a_dead_client_is_closed_after_a_minute(
    context: Context, open_stream: Callable[..., EventStream]
) -> None:
    async with open_stream(token=TOKEN):
        (stream,) = context.hub.joined_streams
        assert stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


@pytest.mark.parametrize("more", [b"G", b"GET /x HTTP/1.1\r\n\r\n"])
async def test_a_client_that_sends_more_with_its_request_gets_no_stream(
    context: Context, http_server: Any, http_server_port: tuple[object, int], more: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http_server_port[1])
    writer.write(
        b"GET /sse/workitems HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a-token-for-tests\r\n\r\n" + more
    )
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    assert (context.stream_limits.open_count, context.hub.joined_streams) == (0, [])

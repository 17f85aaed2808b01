"""Streams with the same filter: those that keep up, those that fall behind, and those that leave."""

import asyncio

from server.stream import sse
from server.stream.connection import Stream
from server.stream.fan_out import TimeSlice
from server.stream.filter_group import FilterGroup
from tests.support.stream_pair import Open, everything
from tests.support.waiting import PATIENCE

#: More bytes than a socket pair takes at once.
LARGE = bytes(300_000)


def make_group(*streams: Stream) -> FilterGroup:
    group = FilterGroup()
    for stream in streams:
        group.add(stream)
    return group


async def deliver(group: FilterGroup, *payloads: bytes) -> int:
    time_slice = TimeSlice(asyncio.get_running_loop().time)
    return sum([await group.deliver(payload, time_slice) for payload in payloads])


async def test_all_streams_get_the_same_bytes_as_chunks_or_bare_for_http_1_0(opened: Open) -> None:
    (new, reader, _), (old, bare_reader, _) = opened(), opened(chunked=False)
    group = make_group(new, old)
    assert await deliver(group, b"one", b"two") == 4
    for stream in list(group):
        group.remove(stream)
        stream.finish("rotate")
    assert await everything(reader) == b"3\r\none\r\n3\r\ntwo\r\n" + sse.LAST_CHUNK
    assert await everything(bare_reader) == b"onetwo"
    assert len(group) == 0


async def test_a_stream_that_falls_behind_gets_all_in_order_and_then_keeps_up_again(opened: Open) -> None:
    (slow, reader, _), (prompt, other, _) = opened(), opened()
    group = make_group(slow, prompt)
    loop, got = asyncio.get_running_loop(), bytearray()
    payloads = [LARGE, b"second", b"third"]
    reading = asyncio.create_task(everything(other))
    await deliver(group, *payloads)
    assert slow.queued_bytes > 0
    assert not slow.can_send_directly
    whole = b"".join(map(sse.encode_chunk, payloads))
    async with asyncio.timeout(PATIENCE):
        while len(got) < len(whole):
            got += await loop.sock_recv(reader, 1 << 16)
        while not slow.can_send_directly:
            await asyncio.sleep(0.01)
    await deliver(group, b"fourth")
    assert slow.queued_bytes == 0
    for stream in (slow, prompt):
        group.remove(stream)
        stream.finish("rotate")
    last = sse.encode_chunk(b"fourth") + sse.LAST_CHUNK
    assert bytes(got) + await everything(reader) == whole + last
    assert await reading == whole + last


async def test_an_http_1_0_stream_gets_no_chunks_after_it_fell_behind_and_caught_up(opened: Open) -> None:
    old, reader, _ = opened(chunked=False)
    group = make_group(old)
    loop, got = asyncio.get_running_loop(), bytearray()
    await deliver(group, LARGE, b"second")
    assert old.queued_bytes > 0
    async with asyncio.timeout(PATIENCE):
        while old.queued_bytes or len(got) < len(LARGE) + 6:
            got += await loop.sock_recv(reader, 1 << 16)
    await deliver(group, b"third")
    group.remove(old)
    old.finish("rotate")
    assert bytes(got) + await everything(reader) == LARGE + b"secondthird"


async def test_streams_that_left_or_are_too_slow_end_and_others_do_not_notice(opened: Open) -> None:
    (gone, leaver, left), (slow, _, closed), (prompt, reader, _) = opened(), opened(buffer=10), opened()
    group = make_group(gone, slow, prompt)
    leaver.close()
    reading = asyncio.create_task(everything(reader))
    await deliver(group, LARGE)
    await deliver(group, b"over its limit")
    assert (left, closed) == (["client"], ["slow"])
    await deliver(group, b"next")
    group.remove(prompt)
    prompt.finish("drain")
    payloads = (LARGE, b"over its limit", b"next")
    assert await reading == b"".join(map(sse.encode_chunk, payloads)) + sse.LAST_CHUNK


async def test_a_stream_that_ends_during_a_delivery_is_skipped(opened: Open) -> None:
    opens = [opened() for _ in range(200)]
    streams = [stream for stream, _, _ in opens]
    group = make_group(*streams)

    class Impatient(TimeSlice):
        """Yields after every slice; meanwhile the client of the last stream leaves."""

        def is_used_up(self) -> bool:
            return True

        async def yield_loop(self) -> None:
            if not streams[-1].is_closed:
                group.remove(streams[-1])
                streams[-1].abort("client")
            await asyncio.sleep(0)

    assert await group.deliver(b"news", Impatient(asyncio.get_running_loop().time)) == 200
    assert len(group) == 199
    for _, reader, _ in opens[:-1]:
        assert reader.recv(100) == sse.encode_chunk(b"news")

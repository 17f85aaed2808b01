"""Streams that are told the same: those that keep up, those that do not, and those that come and go."""

import asyncio

from server import sse
from server.connection import Stream
from server.crowd import Crowd
from server.pace import Pace
from tests.support.stream_pair import Open, everything

#: More than a socket pair takes at once.
LARGE = bytes(300_000)


def gathered(*streams: Stream) -> Crowd:
    crowd = Crowd()
    for stream in streams:
        crowd.add(stream)
    return crowd


async def told(crowd: Crowd, *payloads: bytes) -> int:
    pace = Pace(asyncio.get_running_loop().time)
    return sum([await crowd.tell(payload, pace) for payload in payloads])


async def test_everybody_gets_the_same_in_chunks_or_bare_as_http_1_0_has_it(opened: Open) -> None:
    (new, reader, _), (old, bare_reader, _) = opened(), opened(chunked=False)
    crowd = gathered(new, old)
    assert await told(crowd, b"one", b"two") == 4
    for stream in list(crowd):
        crowd.remove(stream)
        stream.finish("rotate")
    assert await everything(reader) == b"3\r\none\r\n3\r\ntwo\r\n" + sse.LAST_CHUNK
    assert await everything(bare_reader) == b"onetwo"
    assert len(crowd) == 0


async def test_who_falls_behind_gets_all_in_order_and_then_keeps_up_again(opened: Open) -> None:
    (slow, reader, _), (prompt, other, _) = opened(), opened()
    crowd = gathered(slow, prompt)
    loop, got = asyncio.get_running_loop(), bytearray()
    payloads = [LARGE, b"second", b"third"]
    reading = asyncio.create_task(everything(other))
    await told(crowd, *payloads)
    assert slow.queued > 0
    assert not slow.is_prompt
    whole = b"".join(map(sse.chunk, payloads))
    async with asyncio.timeout(10):
        while len(got) < len(whole):
            got += await loop.sock_recv(reader, 1 << 16)
        while not slow.is_prompt:
            await asyncio.sleep(0.01)
    await told(crowd, b"fourth")
    assert slow.queued == 0
    for stream in (slow, prompt):
        crowd.remove(stream)
        stream.finish("rotate")
    last = sse.chunk(b"fourth") + sse.LAST_CHUNK
    assert bytes(got) + await everything(reader) == whole + last
    assert await reading == whole + last


async def test_who_takes_no_chunks_gets_none_either_when_it_fell_behind_and_caught_up(opened: Open) -> None:
    old, reader, _ = opened(chunked=False)
    crowd = gathered(old)
    loop, got = asyncio.get_running_loop(), bytearray()
    await told(crowd, LARGE, b"second")
    assert old.queued > 0
    async with asyncio.timeout(10):
        while old.queued or len(got) < len(LARGE) + 6:
            got += await loop.sock_recv(reader, 1 << 16)
    await told(crowd, b"third")
    crowd.remove(old)
    old.finish("rotate")
    assert bytes(got) + await everything(reader) == LARGE + b"secondthird"
    assert old.sent == len(LARGE) + 11


async def test_the_bytes_of_each_are_counted_whenever_it_came_fell_behind_or_went(opened: Open) -> None:
    (early, _, _), (late, _, _), (slow, reader, _), (bare, _, _) = opened(), opened(), opened(), opened(chunked=False)
    early.write(b"head")
    crowd = gathered(early, slow, bare)
    await told(crowd, b"12345")
    crowd.add(late)
    await told(crowd, b"1234567", b"1")
    crowd.remove(early)
    await told(crowd, LARGE, b"the end")
    assert slow.queued > 0
    slow.write(b"beat")
    async with asyncio.timeout(10):
        while slow.queued:
            await asyncio.get_running_loop().sock_recv(reader, 1 << 20)
    for stream in (late, slow, bare):
        crowd.remove(stream)
    large, end = len(sse.chunk(LARGE)), len(sse.chunk(b"the end"))
    assert early.sent == 4 + 10 + 12 + 6
    assert late.sent == 12 + 6 + large + end
    assert slow.sent == 10 + 12 + 6 + large + end + 4
    assert bare.sent == 5 + 7 + 1 + len(LARGE) + 7


async def test_who_left_and_who_is_over_its_budget_ends_and_nobody_else_notices(opened: Open) -> None:
    (gone, leaver, left), (slow, _, closed), (prompt, reader, _) = opened(), opened(buffer=10), opened()
    crowd = gathered(gone, slow, prompt)
    leaver.close()
    reading = asyncio.create_task(everything(reader))
    await told(crowd, LARGE)
    await told(crowd, b"over its budget")
    assert (left, closed) == (["client"], ["slow"])
    await told(crowd, b"next")
    crowd.remove(prompt)
    prompt.finish("drain")
    payloads = (LARGE, b"over its budget", b"next")
    assert await reading == b"".join(map(sse.chunk, payloads)) + sse.LAST_CHUNK


async def test_a_stream_that_ends_while_others_are_told_is_passed_over(opened: Open) -> None:
    streams = [opened()[0] for _ in range(200)]
    crowd = gathered(*streams)

    class Impatient(Pace):
        """Rests after every slice; meanwhile the last stream's reader goes."""

        def due(self) -> bool:
            return True

        async def rest(self) -> None:
            if not streams[-1].closed:
                crowd.remove(streams[-1])
                streams[-1].abort("client")
            await asyncio.sleep(0)

    assert await crowd.tell(b"news", Impatient(asyncio.get_running_loop().time)) == 200
    assert len(crowd) == 199
    for stream in streams[:-1]:
        crowd.remove(stream)
        assert stream.sent == len(sse.chunk(b"news"))

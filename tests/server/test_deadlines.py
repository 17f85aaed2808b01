"""A reader for which something waits has so long, however far its next beat is."""

import asyncio
import gc
from pathlib import Path

import pytest

from server.context import Context
from server.deadlines import Life
from tests.server.conftest import make_settings
from tests.server.test_stream import eventually
from tests.support.stream_pair import Open
from workitems.settings import Settings

STALL = 0.5


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, stream={"stall": STALL, "heartbeat": 60})


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_reader_that_takes_no_byte_is_closed_when_its_stall_is_over(
    context: Context, opened: Open, chunked: bool
) -> None:
    stream, _, reasons = opened(hub=context.hub, chunked=chunked)
    context.hub.join(stream)
    while not stream.queued:
        stream.write(bytes(10_000))
    begun = asyncio.get_running_loop().time()
    await eventually(lambda: reasons)
    assert reasons == ["slow"]
    assert STALL * 0.9 <= asyncio.get_running_loop().time() - begun < STALL + 3


async def test_one_that_had_fallen_behind_before_it_joined_is_closed_as_well(context: Context, opened: Open) -> None:
    stream, _, reasons = opened(hub=context.hub)
    while not stream.queued:
        stream.write(bytes(10_000))
    context.hub.join(stream)
    await eventually(lambda: reasons)
    assert reasons == ["slow"]


async def test_a_reader_that_takes_a_little_now_and_then_stays(context: Context, opened: Open) -> None:
    stream, reader, reasons = opened(hub=context.hub)
    context.hub.join(stream)
    while stream.queued < 900_000:
        stream.write(bytes(10_000))
    loop = asyncio.get_running_loop()
    until = loop.time() + 3 * STALL
    while loop.time() < until:
        await loop.sock_recv(reader, 30_000)
        await asyncio.sleep(STALL / 10)
    assert not reasons
    assert stream.queued


async def test_a_stream_that_has_ended_does_not_stay_until_its_next_beat(context: Context, opened: Open) -> None:
    stream, _, _ = opened(hub=context.hub)
    context.hub.join(stream)
    life = stream.life
    stream.abort("client")
    assert life is not None
    assert [each for each in gc.get_referrers(stream) if each is life] == []
    assert isinstance(life, Life)
    assert life.act(1.0) is None

"""A client that takes no bytes is closed when its stall time is over, however far its next heartbeat is."""

import asyncio
import gc
from collections.abc import Callable

import pytest
from tornado.ioloop import IOLoop

from server.stream.connection import Stream
from server.stream.deadlines import LifetimeTimer, StallTimer
from server.stream.hub import Hub
from tests.support.stream_pair import Open
from tests.support.waiting import eventually
from workitems.settings import StreamSettings

#: Seconds, far longer than any test takes: only the clock of the test lets them pass.
STALL, HEARTBEAT = 50.0, 60.0


class ShiftedClock:
    """The clock of the loop, which a test can set forward."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self.shift = 0.0

    def __call__(self) -> float:
        return self._time() + self.shift


@pytest.fixture
def clock(io_loop: IOLoop) -> ShiftedClock:
    return ShiftedClock(io_loop.time)


@pytest.fixture
def hub(clock: ShiftedClock) -> Hub:
    return Hub(StreamSettings(stall_seconds=STALL, heartbeat_seconds=HEARTBEAT, max_age_seconds=0), clock=clock)


def fill(stream: Stream) -> None:
    """Write until something waits for the client."""
    while not stream.queued_bytes:
        stream.write(bytes(10_000))


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_client_that_takes_no_byte_is_closed_when_its_stall_time_is_over(
    hub: Hub, clock: ShiftedClock, opened: Open, chunked: bool
) -> None:
    stream, _, reasons = opened(hub=hub, chunked=chunked)
    hub.join(stream)
    fill(stream)
    clock.shift = 1.0
    hub.deadlines.wheel.advance()
    assert not reasons
    clock.shift = STALL + 1
    hub.deadlines.wheel.advance()
    assert reasons == ["slow"]


async def test_a_client_that_was_slow_before_it_joined_is_closed_too(
    hub: Hub, clock: ShiftedClock, opened: Open
) -> None:
    stream, _, reasons = opened(hub=hub)
    fill(stream)
    hub.join(stream)
    clock.shift = STALL + 1
    hub.deadlines.wheel.advance()
    assert reasons == ["slow"]


async def test_a_client_that_takes_a_little_now_and_then_stays(opened: Open) -> None:
    stream, reader, reasons = opened()
    while stream.queued_bytes < 900_000:
        stream.write(bytes(10_000))
    ended = list[Stream]()
    timer, since = StallTimer(stream, STALL, ended.append), stream.blocked_since
    assert timer.fire(since + STALL - 1) == since + STALL
    queued = stream.queued_bytes
    while stream.queued_bytes == queued:
        await asyncio.get_running_loop().sock_recv(reader, 30_000)
        await asyncio.sleep(0)
    await eventually(lambda: stream.blocked_since > since)
    assert timer.fire(since + STALL) == stream.blocked_since + STALL
    assert not reasons
    assert stream.queued_bytes
    assert timer.fire(stream.blocked_since + STALL) is None
    assert (reasons, ended) == (["slow"], [stream])


async def test_an_ended_stream_does_not_stay_in_memory_until_its_next_heartbeat(hub: Hub, opened: Open) -> None:
    stream, _, _ = opened(hub=hub)
    hub.join(stream)
    timer = stream.lifetime_timer
    stream.abort("client")
    assert timer is not None
    assert [each for each in gc.get_referrers(stream) if each is timer] == []
    assert isinstance(timer, LifetimeTimer)
    assert timer.fire(1.0) is None

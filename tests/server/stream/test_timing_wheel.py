"""One timing wheel for every deadline."""

import asyncio

from server.stream.timing_wheel import TimingWheel
from tests.support.waiting import PATIENCE


class FakeTimer:
    def __init__(self, *again: float | None) -> None:
        self.fired_at: list[float] = []
        self._again = list(again)

    def fire(self, now: float) -> float | None:
        self.fired_at.append(now)
        return self._again.pop(0) if self._again else None


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_timer_fires_at_its_time_and_never_before() -> None:
    clock = Clock()
    wheel, timer = TimingWheel(0.25, clock=clock), FakeTimer()
    wheel.add(timer, 101.0)
    for clock.now in (100.5, 100.9, 101.1, 101.5, 110.0):
        wheel.advance()
    assert timer.fired_at == [101.1]


def test_it_fires_again_when_it_asks_for_it_also_after_a_long_pause() -> None:
    clock = Clock()
    wheel, timer = TimingWheel(0.25, clock=clock), FakeTimer(102.0, 103.0)
    wheel.add(timer, 101.0)
    for clock.now in (150.0, 150.5, 151.0):
        wheel.advance()
    assert len(timer.fired_at) == 3


def test_a_timer_that_is_due_already_fires_at_the_next_tick() -> None:
    clock = Clock()
    wheel, timer = TimingWheel(0.25, clock=clock), FakeTimer()
    wheel.add(timer, 1.0)
    clock.now += 0.3
    wheel.advance()
    assert len(timer.fired_at) == 1


async def test_the_wheel_does_not_advance_in_the_middle_of_a_fan_out() -> None:
    loop = asyncio.get_running_loop()
    wheel, timer, lock = TimingWheel(0.01, clock=loop.time), FakeTimer(), asyncio.Lock()
    wheel.add(timer, loop.time())
    async with lock:
        running = asyncio.create_task(wheel.run(lock=lock))
        await asyncio.sleep(0.05)
        assert not timer.fired_at
    async with asyncio.timeout(PATIENCE):
        while not timer.fired_at:
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

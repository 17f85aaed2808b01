"""One wheel for every deadline."""

import asyncio

from server.wheel import Wheel


class Alarm:
    def __init__(self, *again: float | None) -> None:
        self.rang: list[float] = []
        self._again = list(again)

    def act(self, now: float) -> float | None:
        self.rang.append(now)
        return self._again.pop(0) if self._again else None


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_alarm_rings_at_its_time_and_never_before() -> None:
    clock = Clock()
    wheel, alarm = Wheel(0.25, clock=clock), Alarm()
    wheel.add(alarm, 101.0)
    for clock.now in (100.5, 100.9, 101.1, 101.5, 110.0):
        wheel.turn()
    assert alarm.rang == [101.1]


def test_it_rings_again_when_it_says_so_also_after_a_long_sleep() -> None:
    clock = Clock()
    wheel, alarm = Wheel(0.25, clock=clock), Alarm(102.0, 103.0)
    wheel.add(alarm, 101.0)
    for clock.now in (150.0, 150.5, 151.0):
        wheel.turn()
    assert len(alarm.rang) == 3


def test_what_is_due_already_rings_at_the_next_turn() -> None:
    clock = Clock()
    wheel, alarm = Wheel(0.25, clock=clock), Alarm()
    wheel.add(alarm, 1.0)
    clock.now += 0.3
    wheel.turn()
    assert len(alarm.rang) == 1


async def test_it_does_not_turn_in_the_middle_of_a_fan_out() -> None:
    loop = asyncio.get_running_loop()
    wheel, alarm, free = Wheel(0.01, clock=loop.time), Alarm(), asyncio.Lock()
    wheel.add(alarm, loop.time())
    async with free:
        turning = asyncio.create_task(wheel.run(free=free))
        await asyncio.sleep(0.05)
        assert not alarm.rang
    async with asyncio.timeout(5):
        while not alarm.rang:
            await asyncio.sleep(0.005)
    turning.cancel()
    await asyncio.gather(turning, return_exceptions=True)

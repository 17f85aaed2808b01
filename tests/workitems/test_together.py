"""Calls that come while others are carried out are carried out together next."""

import asyncio
from collections.abc import Sequence

import pytest

from workitems.together import Together


class Counter:
    """Doubles numbers; `gate` holds it back; negative numbers fail alone, 99 fails for all."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(numbers))
        await self.gate.wait()
        if 99 in numbers:
            raise OSError("all of it")
        return [2 * number if number >= 0 else ValueError(number) for number in numbers]


async def test_a_lone_call_is_carried_out_at_once_and_so_is_the_next() -> None:
    counter = Counter()
    double = Together(counter, most=3)
    assert [await double(number) for number in (1, 2, 3)] == [2, 4, 6]
    assert counter.groups == [[1], [2], [3]]


async def test_what_comes_meanwhile_goes_together_in_its_order_and_no_more_than_may() -> None:
    counter = Counter()
    counter.gate.clear()
    double = Together(counter, most=3)
    first = asyncio.create_task(double(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(double(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    counter.gate.set()
    assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]
    assert counter.groups == [[0], [1, 2, 3], [4, 5]]


async def test_several_hands_work_at_once() -> None:
    counter = Counter()
    counter.gate.clear()
    double = Together(counter, most=1, hands=2)
    calls = [asyncio.create_task(double(number)) for number in range(3)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert counter.groups == [[0], [1]]
    counter.gate.set()
    assert await asyncio.gather(*calls) == [0, 2, 4]


async def test_one_that_fails_fails_alone_and_what_fails_whole_fails_for_all() -> None:
    double = Together(Counter(), most=9)
    found = await asyncio.gather(*(double(number) for number in (1, -1, 2)), return_exceptions=True)
    assert [type(each) for each in found] == [int, ValueError, int]
    for failed in await asyncio.gather(double(99), double(1), return_exceptions=True):
        assert isinstance(failed, OSError)
    assert await double(4) == 8


async def test_a_cancelled_call_is_taken_back_before_its_turn_and_disturbs_no_other() -> None:
    counter = Counter()
    counter.gate.clear()
    double = Together(counter, most=3)
    running, dropped, kept = (asyncio.create_task(double(number)) for number in range(3))
    await asyncio.sleep(0)
    late = asyncio.create_task(double(7))
    await asyncio.sleep(0)
    for task in (dropped, late):
        task.cancel()
    await asyncio.sleep(0)
    counter.gate.set()
    assert await asyncio.gather(running, kept) == [0, 4]
    for task in (dropped, late):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert counter.groups == [[0, 1, 2]]

"""Calls that arrive while others run are run together next."""

import asyncio
from collections.abc import Sequence

import pytest

from workitems.base.group_commit import GroupCommit


class Counter:
    """Double numbers after `gate` is set. A negative number fails alone; 99 fails all."""

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


async def test_a_single_call_runs_at_once_and_so_does_the_next() -> None:
    counter = Counter()
    double = GroupCommit(counter, max_size=3)
    assert [await double(number) for number in (1, 2, 3)] == [2, 4, 6]
    assert counter.groups == [[1], [2], [3]]


async def test_calls_that_arrive_meanwhile_run_together_in_order_up_to_the_limit() -> None:
    counter = Counter()
    counter.gate.clear()
    double = GroupCommit(counter, max_size=3)
    first = asyncio.create_task(double(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(double(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    counter.gate.set()
    assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]
    assert counter.groups == [[0], [1, 2, 3], [4, 5]]


async def test_several_batches_run_at_once() -> None:
    counter = Counter()
    counter.gate.clear()
    double = GroupCommit(counter, max_size=1, max_parallel=2)
    calls = [asyncio.create_task(double(number)) for number in range(3)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert counter.groups == [[0], [1]]
    counter.gate.set()
    assert await asyncio.gather(*calls) == [0, 2, 4]


async def test_one_failed_call_fails_alone_and_a_failed_batch_fails_all_its_calls() -> None:
    double = GroupCommit(Counter(), max_size=9)
    found = await asyncio.gather(*(double(number) for number in (1, -1, 2)), return_exceptions=True)
    assert [type(each) for each in found] == [int, ValueError, int]
    for failed in await asyncio.gather(double(99), double(1), return_exceptions=True):
        assert isinstance(failed, OSError)
    assert await double(4) == 8


async def test_a_call_cancelled_before_its_turn_is_dropped_without_effect_on_others() -> None:
    counter = Counter()
    counter.gate.clear()
    double = GroupCommit(counter, max_size=3)
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

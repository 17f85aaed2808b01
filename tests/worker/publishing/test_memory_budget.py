"""The bytes of mail in memory are limited, and requests are served in their order."""

import asyncio

from worker.publishing.memory_budget import MemoryBudget


class Tasks:
    """Tasks that reserve memory and release it when the test asks for it."""

    def __init__(self, max_bytes: int) -> None:
        self.budget = MemoryBudget(max_bytes)
        self.holding: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.released: list[asyncio.Event] = []

    async def start(self, *sizes: int) -> None:
        for size in sizes:
            self.released.append(asyncio.Event())
            self.tasks.append(asyncio.create_task(self._reserve(len(self.tasks), size)))
            await asyncio.sleep(0)

    async def _reserve(self, number: int, size: int) -> None:
        async with self.budget.reserve(size):
            self.holding.append(number)
            await self.released[number].wait()
            self.holding.remove(number)

    async def release(self, *numbers: int) -> None:
        for number in numbers:
            self.released[number].set()
            for _ in range(4):
                await asyncio.sleep(0)

    async def end(self) -> None:
        await self.release(*range(len(self.released)))
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_tasks_reserve_while_bytes_are_free_and_others_follow_in_their_order() -> None:
    tasks = Tasks(100)
    await tasks.start(60, 40, 50, 1)
    assert tasks.holding == [0, 1]
    await tasks.release(1)
    assert tasks.holding == [0], "the third does not fit yet, and the fourth waits behind it"
    await tasks.release(0)
    assert tasks.holding == [2, 3]
    await tasks.end()


async def test_a_mail_larger_than_the_budget_has_it_alone() -> None:
    tasks = Tasks(100)
    await tasks.start(10, 1_000, 10)
    assert tasks.holding == [0]
    await tasks.release(0)
    assert tasks.holding == [1]
    await tasks.release(1)
    assert tasks.holding == [2]
    await tasks.end()


async def test_a_task_cancelled_before_or_in_its_turn_keeps_no_bytes() -> None:
    tasks = Tasks(100)
    await tasks.start(100, 50, 60, 70)
    tasks.tasks[1].cancel()
    await asyncio.sleep(0)
    tasks.released[0].set()
    while tasks.holding:
        await asyncio.sleep(0)
    tasks.tasks[2].cancel()  # its turn has come, but it has not run yet
    for _ in range(4):
        await asyncio.sleep(0)
    assert tasks.holding == [3]
    await tasks.end()
    await tasks.start(100)
    assert tasks.holding == [4]
    await tasks.end()

"""Mail in hand is bounded by its bytes, and nobody is overtaken."""

import asyncio

from worker.room import Room


class Crowd:
    """Tasks that ask for room and leave it when they are told."""

    def __init__(self, most: int) -> None:
        self.room = Room(most)
        self.inside: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.gates: list[asyncio.Event] = []

    async def come(self, *sizes: int) -> None:
        for size in sizes:
            self.gates.append(asyncio.Event())
            self.tasks.append(asyncio.create_task(self._stay(len(self.tasks), size)))
            await asyncio.sleep(0)

    async def _stay(self, number: int, size: int) -> None:
        async with self.room.of(size):
            self.inside.append(number)
            await self.gates[number].wait()
            self.inside.remove(number)

    async def leave(self, *numbers: int) -> None:
        for number in numbers:
            self.gates[number].set()
            for _ in range(4):
                await asyncio.sleep(0)

    async def end(self) -> None:
        await self.leave(*range(len(self.gates)))
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_as_many_are_inside_as_there_is_room_for_and_others_follow_in_their_order() -> None:
    crowd = Crowd(100)
    await crowd.come(60, 40, 50, 1)
    assert crowd.inside == [0, 1]
    await crowd.leave(1)
    assert crowd.inside == [0], "the third does not fit yet, and the fourth waits for it"
    await crowd.leave(0)
    assert crowd.inside == [2, 3]
    await crowd.end()


async def test_one_larger_than_the_room_has_it_alone() -> None:
    crowd = Crowd(100)
    await crowd.come(10, 1_000, 10)
    assert crowd.inside == [0]
    await crowd.leave(0)
    assert crowd.inside == [1]
    await crowd.leave(1)
    assert crowd.inside == [2]
    await crowd.end()


async def test_who_is_cancelled_before_or_in_its_turn_takes_no_room_with_it() -> None:
    crowd = Crowd(100)
    await crowd.come(100, 50, 60, 70)
    crowd.tasks[1].cancel()
    await asyncio.sleep(0)
    crowd.gates[0].set()
    while crowd.inside:
        await asyncio.sleep(0)
    crowd.tasks[2].cancel()  # its turn has come, and it does not know yet
    for _ in range(4):
        await asyncio.sleep(0)
    assert crowd.inside == [3]
    await crowd.end()
    await crowd.come(100)
    assert crowd.inside == [4]
    await crowd.end()

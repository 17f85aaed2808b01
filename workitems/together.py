"""Group commit: calls that come while others are carried out are carried out together as soon as those are done.

One sync of the disk or one round trip to Redis costs about as much for fifty mails as for one. A lone call is carried
out at once, so grouping costs it nothing.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class Together(Generic[A, R]):
    """Called with one argument, it answers or raises what *work* said of that one.

    *work* is given up to *most* arguments and answers for each, in their order, a result or an exception; what it
    raises itself counts for all of them. At most *hands* groups are at work at once. Who calls bounds how many wait.
    """

    def __init__(
        self, work: Callable[[Sequence[A]], Awaitable[Sequence[R | Exception]]], *, most: int, hands: int = 1
    ) -> None:
        self._work = work
        self._most = most
        self._hands = hands
        self._waiting: deque[tuple[A, asyncio.Future[R]]] = deque()
        self._busy: set[asyncio.Task[None]] = set()

    async def __call__(self, argument: A) -> R:
        """A caller that is cancelled before its turn takes its call back; after it, the call is carried out."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((argument, answer))
        if len(self._busy) < self._hands:
            self._busy.add(loop.create_task(self._run()))
        return await answer

    async def _run(self) -> None:
        try:
            await self._empty()
        finally:  # at once: who calls before this task is done must not count on it
            self._busy.discard(asyncio.current_task())

    async def _empty(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            group = [(argument, answer) for argument, answer in group if not answer.done()]
            if group:
                await self._carry_out(group)

    async def _carry_out(self, group: list[tuple[A, "asyncio.Future[R]"]]) -> None:
        try:
            found = await self._work([argument for argument, _ in group])
        except Exception as error:  # noqa: BLE001  whatever it is, it is the callers'
            found = [error] * len(group)
        except asyncio.CancelledError:
            for _, answer in group:
                answer.cancel()
            raise
        for (_, answer), result in zip(group, found, strict=True):
            if answer.done():
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

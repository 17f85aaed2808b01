"""Group commit: calls that come while a group is at work become the next group.

One sync of the disk or one round trip to Redis costs about as much for fifty mails as for one. A single call starts at
once, so grouping costs it nothing.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class GroupCommit(Generic[A, R]):
    """Call it with one argument; it returns or raises the result of *work* for that argument.

    *work* gets up to *max_size* arguments and returns for each, in their order, a result or an exception; what it
    raises itself counts for all of them. At most *max_parallel* groups are at work at once. The callers bound how many
    calls wait.
    """

    def __init__(
        self, work: Callable[[Sequence[A]], Awaitable[Sequence[R | Exception]]], *, max_size: int, max_parallel: int = 1
    ) -> None:
        self._work = work
        self._max_size = max_size
        self._max_parallel = max_parallel
        self._waiting: deque[tuple[A, asyncio.Future[R]]] = deque()
        self._busy: set[asyncio.Task[None]] = set()

    async def __call__(self, argument: A) -> R:
        """Do the call. A caller that is cancelled before its group starts withdraws it; later it is still done."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((argument, answer))
        if len(self._busy) < self._max_parallel:
            self._busy.add(loop.create_task(self._run()))
        return await answer

    async def _run(self) -> None:
        try:
            await self._run_all()
        finally:  # at once: a call that comes before this task is done must start another one
            self._busy.discard(asyncio.current_task())

    async def _run_all(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(self._max_size, len(self._waiting)))]
            group = [(argument, answer) for argument, answer in group if not answer.done()]
            if group:
                await self._run_group(group)

    async def _run_group(self, group: list[tuple[A, "asyncio.Future[R]"]]) -> None:
        try:
            found = await self._work([argument for argument, _ in group])
        except Exception as error:  # noqa: BLE001  each caller of the group gets it
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

"""Work that would block the event loop, in a few threads of its owner. Nothing uses the default executor of asyncio:
there, work that hangs would hold up all other work.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import enumerate as all_threads
from threading import main_thread
from time import monotonic
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

#: Pieces of work that may wait for a thread before `run_within` refuses more.
MAX_WAITING = 256

#: Seconds that the end of a program waits for work.
CLOSE_SECONDS = 5.0


class Threads:
    """At most *count* threads; more work than that waits for one of them. The owner bounds how much may wait."""

    def __init__(self, count: int, name: str, *, max_waiting: int = MAX_WAITING) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._max_waiting = max_waiting

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of *work*. It is not started when the caller is cancelled before that."""
        return await asyncio.wrap_future(self.submit(work, *args, **kwargs))

    async def run_shielded(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of *work*. It runs to its end even if the caller is cancelled: no file stays half done."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(work, *args, **kwargs)))

    async def run_within(self, seconds: float | None, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of *work*. Raises TimeoutError after *seconds*, and at once while too much work waits.

        Work that has not started by then is never started. Work that hangs keeps its thread until it returns.
        """
        self._check_waiting()
        async with asyncio.timeout(seconds):
            return await self.run(work, *args, **kwargs)

    async def acquire_within(
        self, seconds: float | None, acquire: Callable[[], R], release: Callable[[R], object]
    ) -> R:
        """Do `run_within`. A result that comes too late for the caller is given to *release*, in the thread."""
        self._check_waiting()
        future = self.submit(acquire)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        except BaseException:
            future.add_done_callback(partial(_release_result, release))
            raise

    def submit(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Start *work* and do not wait. Raises RuntimeError after `close`."""
        return self._pool.submit(partial(work, *args, **kwargs))

    def close(self, seconds: float | None = None) -> None:
        """Accept no more work, and wait for what was accepted: CLOSE_SECONDS at most, or *seconds*."""
        self._pool.shutdown(wait=False)
        end = monotonic() + (CLOSE_SECONDS if seconds is None else seconds)
        for thread in list(self._pool._threads):
            thread.join(max(0.0, end - monotonic()))

    def _check_waiting(self) -> None:
        if self._pool._work_queue.qsize() >= self._max_waiting:  # with what was given up but is still in the queue
            raise TimeoutError("too much work waits for a thread")


def end_if_work_hangs(log: Any) -> None:
    """End this program, which is at its end, although threads still run: Python would wait for them for ever.

    Call it in a `finally`: the exit code is 1 when an exception ends the program.
    """
    if hanging := hanging_threads():
        log.warning("ended although work hangs", threads=",".join(hanging), exc_info=sys.exception())
        os._exit(0 if sys.exception() is None else 1)


def hanging_threads() -> list[str]:
    """Return the names of the threads that still run beside the main thread."""
    return [each.name for each in all_threads() if each is not main_thread() and not each.daemon]


async def run_alone(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return the result of *work*, which has a thread of its own; for commands, which do one thing at a time."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="alone")
    try:
        return await asyncio.wrap_future(thread.submit(partial(work, *args, **kwargs)))
    finally:
        thread.shutdown(wait=False)


def _release_result(release: Callable[[R], object], future: "Future[R]") -> None:
    if not future.cancelled() and future.exception() is None:
        release(future.result())

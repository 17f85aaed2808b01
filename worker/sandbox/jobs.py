"""Mails that wait to be read, in one queue, and the shares of it that children take."""

import asyncio
from collections import deque
from collections.abc import Sequence

from worker.sandbox import frames
from worker.sandbox.process import Child, Result

#: Mails, and bytes of mail, that a child has to do at most: so that it never waits for us, and few are read in vain.
AHEAD, AHEAD_BYTES = 8, frames.CHUNK


class Job:
    """One mail to be read within *limit* seconds, and what becomes of it."""

    def __init__(self, raw: bytes, mailbox: str, limit: float) -> None:
        self.raw = raw
        self.mailbox = mailbox
        self.limit = limit
        self.answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        #: Who reads it just now.
        self.child: Child | None = None
        #: Runs out while it waits for its turn.
        self.turn = asyncio.timeout(None)

    def wait(self, seconds: float | None) -> None:
        """Its turn comes within *seconds*; None: it has come."""
        if not self.answer.done():
            self.turn.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    def end(self, outcome: Result | Exception) -> None:
        """Tell whoever waits, if anybody does."""
        self.child = None
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Queue:
    """Jobs in the order in which they came. Each waits up to *wait* seconds for its turn; *size* share them."""

    def __init__(self, wait: float, size: int) -> None:
        self._wait = wait
        self._size = size
        self._jobs: deque[Job] = deque()

    def __len__(self) -> int:
        return len(self._jobs)

    def append(self, job: Job) -> None:
        job.wait(self._wait)
        self._jobs.append(job)

    def put_back(self, jobs: deque[Job]) -> None:
        """In front of all others, in their order; *jobs* is empty then."""
        while jobs:
            job = jobs.pop()
            job.wait(self._wait)
            self._jobs.appendleft(job)

    def share(self, ahead: Sequence[Job]) -> list[Job]:
        """What a child takes that still has *ahead* to do: a little, something is left for the others.

        A large one only when it has nothing else to do, so that no writing waits for it. Dropped ones are passed over.
        """
        if len(ahead) > AHEAD // 2:
            return []
        jobs: list[Job] = []
        most = min(AHEAD - len(ahead), -(-len(self._jobs) // self._size))
        room = AHEAD_BYTES - sum(len(job.raw) for job in ahead)
        while self._jobs and len(jobs) < most and (len(self._jobs[0].raw) <= room or not (jobs or ahead)):
            job = self._jobs.popleft()
            if not job.answer.done():
                room -= len(job.raw)
                jobs.append(job)
        return jobs

    def end(self, error: Exception) -> None:
        """Nobody will read them."""
        while self._jobs:
            self._jobs.popleft().end(error)

"""The queue of mails that wait for a child, and the rule for how many of them one child takes."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from worker.sandbox import failure, frames
from worker.sandbox.fair_queue import FairQueue, Sender, Turn
from worker.sandbox.process import Child, ReadingResult

#: The most mails and bytes that a child has ahead: so many that it never waits for us, so few that few are read twice.
MAX_AHEAD, AHEAD_BYTES = 8, frames.CHUNK

#: How many times longer than its CPU time a mail may take, since other processes use the processor, too; the most
#: seconds that this adds; and seconds that each mail may take.
WAIT, MAX_EXTRA_SECONDS, MIN_SECONDS = 10.0, 30.0, 1.0

#: Bytes of mail that delay its turn as much as a mail of the same sender before it does; the most delay, and that of
#: files.
LARGE_BYTES, MAX_DELAY, FILES_DELAY = 128 * 1024, 8.0, 2.0
#: Words in the headers of files. Mail without them is ordinary text.
_FILE_MARKS, _SEARCHED = (b"filename", b"application/"), 256 * 1024


class Job:
    """One mail, and the future of its answer.

    Its text must be read within *limit* seconds of CPU time, then its files within *files_seconds*, of which one may
    use a *share*.
    """

    def __init__(
        self, raw: bytes, mailbox: str, limit: float, files_seconds: float, share: float, sender: Sender
    ) -> None:
        self.raw = raw
        self.sender = sender
        self.mailbox = mailbox
        self.seconds = limit
        self.files_seconds = files_seconds
        self.share = share
        self.turn: Turn = (0.0, 0, 0.0)
        #: Whether it seems to have files.
        self.has_files = _has_file_marks(raw[:_SEARCHED].lower())
        #: What was read so far, while its files are read.
        self.partial: ReadingResult | None = None
        self.answer: asyncio.Future[ReadingResult] = asyncio.get_running_loop().create_future()
        #: The child that reads it now, and since when.
        self.child: Child | None = None
        self.started = 0.0
        #: Limits the wait for its turn.
        self.wait_timeout = asyncio.timeout(None)

    def start(self, child: Child) -> None:
        """Note that its turn has come."""
        self.child = child
        self.started = asyncio.get_running_loop().time()
        self.set_wait(None)

    def set_wait(self, seconds: float | None) -> None:
        """End the wait for its turn after *seconds*; None once its turn has come."""
        if not self.answer.done():
            self.wait_timeout.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    @property
    def delay(self) -> float:
        """How much later its turn comes: mail that is large, or has files, takes longer than most."""
        return min(len(self.raw) / LARGE_BYTES, MAX_DELAY) + FILES_DELAY * self.has_files

    @property
    def head(self) -> dict[str, Any]:
        """What the child gets with the mail."""
        return {"mailbox": self.mailbox, "seconds": self.seconds, "files": self.files_seconds, "share": self.share}

    @property
    def text_wait(self) -> float:
        """Seconds until a child is ended that reads the text and does not keep to its CPU time."""
        return _wait(self.seconds)

    @property
    def files_wait(self) -> float:
        """The same for the files."""
        return _wait(self.files_seconds)

    def finish(self, outcome: ReadingResult | Exception) -> None:
        """Give the outcome to the caller, unless the call was cancelled. What was read before an error stands."""
        self.child = None
        if self.answer.done():
            return
        if isinstance(outcome, failure.ReadFailedError):
            if self.started and not outcome.seconds:
                outcome.seconds = asyncio.get_running_loop().time() - self.started
            if self.partial:
                is_slow = outcome.kind == "timeout"
                outcome = replace(self.partial, cpu_seconds=outcome.seconds, stopped=outcome, is_unfinished=is_slow)
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


def _wait(seconds: float) -> float:
    return max(MIN_SECONDS, min(WAIT * seconds, seconds + MAX_EXTRA_SECONDS))


def _has_file_marks(lowered: bytes) -> bool:
    return any(mark in lowered for mark in _FILE_MARKS)


class JobQueue:
    """Jobs of all senders in turn. Each waits up to *wait* seconds; *size* children share them."""

    def __init__(self, wait: float, size: int) -> None:
        self._wait = wait
        self._size = size
        self._jobs: FairQueue[Job] = FairQueue()

    def __len__(self) -> int:
        return len(self._jobs)

    def append(self, job: Job) -> None:
        job.set_wait(self._wait)
        job.turn = self._jobs.append(job, job.sender, job.delay)

    def put_back(self, jobs: deque[Job], slow: Sender = ()) -> None:
        """Queue *jobs* again for their turns; at the end those of a sender with a *slow* one: they may be slow, too."""
        while jobs:
            job = jobs.pop()
            job.set_wait(self._wait)
            if set(job.sender) & set(slow):
                job.turn = self._jobs.append(job, job.sender, job.delay)
            else:
                self._jobs.restore(job, job.turn)

    def take_share(self, ahead: Sequence[Job]) -> list[Job]:
        """Return the jobs for a child that still has the jobs *ahead*: only a few, so that other children get some too.

        Only a child with no other jobs takes a large mail, so that no write waits for it, or one with files, which may
        be slow. Cancelled jobs are dropped.
        """
        if len(ahead) > MAX_AHEAD // 2:
            return []
        jobs: list[Job] = []
        count = min(MAX_AHEAD - len(ahead), -(-len(self._jobs) // self._size))
        free_bytes = AHEAD_BYTES - sum(len(job.raw) for job in ahead)
        while self._jobs and len(jobs) < count:
            job = self._jobs.peek()
            if (jobs or ahead) and (job.has_files or len(job.raw) > free_bytes):
                break
            self._jobs.pop()
            if not job.answer.done():
                free_bytes -= len(job.raw)
                jobs.append(job)
        return jobs

    def fail_all(self, error: Exception) -> None:
        """Fail all jobs with *error*."""
        while self._jobs:
            self._jobs.pop().finish(error)

    def refuse(self, is_refused: Callable[[Sender], bool]) -> None:
        """Fail the waiting jobs of refused senders; `take_share` drops them."""
        for job in self._jobs:
            if not job.answer.done() and is_refused(job.sender):
                job.finish(failure.deferred_error())

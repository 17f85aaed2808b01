"""The pool of reading children: started children wait for mail, each mail has a time limit, ended ones are replaced.

Only three things end a child: its own mail (too slow, or a crash), its age (`Child.is_worn_out`), and the end of the
pool. Mails wait in one queue. A free child takes several of them at once and answers them in order. One mail at a time
cost about a third more CPU (whole intake, 3,000 mails of 4 kB, a busy machine: 3.8 to 4.1 ms a mail and not 2.7 to
3.4), probably since fewer mails share one step of Redis and one sync of the disk. When one mail is slow or ends the
child, the mails after it return to the queue.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from worker.sandbox import failure
from worker.sandbox.fair_queue import Sender
from worker.sandbox.frames import EncodedRules
from worker.sandbox.jobs import Job, JobQueue
from worker.sandbox.limits import ChildLimits
from worker.sandbox.process import Child, ChildSpec, ReadingResult
from workitems.base.backoff import delay
from workitems.base.log import get_logger
from workitems.confinement import start

log = get_logger("sandbox")

#: Seconds to wait until a child has read mails that other children have now.
SKIP_SECONDS = 1.0

#: Seconds to wait for the end of killed children.
CLOSE_TIME = 10.0

#: The function with which children read mail. Only the parent chooses it; tests name their own.
READ_MAIL = "worker.sandbox.mail_reader:make_reader"

#: CPU seconds for the files of one mail, and the part of them that one file may use.
FILES_SECONDS, FILE_SHARE = 2.0, 0.5


class Sandbox:
    """Reads mails in child processes. Call `start` once, `read` from any number of tasks, `close` at the end.

    Where neither the mailbox nor `"*"` has *rules*, the general ones apply. *size* mails are read at once. *spares*
    more children wait, already started (65 MB each): so many crashes at once delay no other mail. Mails behind one that
    takes longer than *patience* seconds go to other children. A call waits up to *max_wait* seconds for its turn.
    *nice*: by how much the children give way to other processes.
    """

    def __init__(
        self,
        rules: EncodedRules,
        *,
        size: int = 2,
        spares: int = 2,
        patience: float = 0.4,
        max_wait: float = 60.0,
        nice: int = 0,
        limits: ChildLimits | None = None,
        function: str = READ_MAIL,
    ) -> None:
        self._spec = ChildSpec(function, rules, limits or ChildLimits(), nice)
        self._children_wanted = size + spares
        self._free = size
        self._patience = patience
        self._wait = max_wait
        self._queue = JobQueue(max_wait, size)
        self._idle: deque[Child] = deque()
        self._working: set[asyncio.Task[None]] = set()
        self._children: dict[Child, asyncio.Task[None]] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._open = False
        #: The confinement steps that this platform does not support; set by `start`.
        self.missing_confinement: list[str] = []

    @property
    def idle(self) -> int:
        """The number of started children that wait for mail."""
        return len(self._idle)

    async def start(self) -> None:
        """Return when the first child is ready; the others start in the background. Raises SandboxUnavailableError."""
        first = await Child.start(self._spec)
        self.missing_confinement = first.missing_confinement
        if first.missing_confinement:
            missing = ", ".join(first.missing_confinement)
            log.warning("this platform cannot confine reading wholly", missing=missing, see=start.DOCUMENT)
        self._open = True
        self._add(first)
        self._refill()

    async def change_rules(self, rules: EncodedRules) -> None:
        """Do `use_rules` once a child has taken *rules*.

        Raises SandboxUnavailableError or OSError when none does, and changes nothing.
        """
        if not (self._idle and await self._has_taken(self._idle.popleft(), rules)):
            child = await Child.start(replace(self._spec, setup=rules))  # it takes them, or says why it does not
            child.kill()
            await child.wait()
        self.use_rules(rules)

    def use_rules(self, rules: EncodedRules) -> None:
        """Read with *rules* from now on. Mail that a child has already is still read with the former ones."""
        self._spec = replace(self._spec, setup=rules)

    async def close(self) -> None:
        """End every child and wait for its end. May be called twice."""
        self._open = False
        self._idle.clear()
        self._queue.fail_all(failure.SandboxUnavailableError("the sandbox is closed"))
        for task in self._starting:
            task.cancel()
        for child in self._children:
            child.kill()
        if ending := [*self._starting, *self._working, *self._children.values()]:
            await asyncio.wait(ending, timeout=CLOSE_TIME)

    async def read(
        self,
        raw: bytes,
        *,
        mailbox: str,
        limit: float,
        files_seconds: float = FILES_SECONDS,
        share: float = FILE_SHARE,
        sender: Sender = (),
    ) -> ReadingResult:
        """Read one mail within *limit* seconds of CPU time; then what is inside its files.

        All files together may use *files_seconds* of CPU time, one of them a *share*. When their reading fails, the
        result has what was read before, and the reason. A child that does not keep to the time is ended later.

        Raises ReadFailedError when this mail cannot be read, and SandboxUnavailableError when no child is available,
        which is not the mail's fault. Cancelling the call kills the child that reads the mail.
        """
        if not self._open:
            raise failure.SandboxUnavailableError("the sandbox is closed")
        job = Job(raw, mailbox, limit, files_seconds, share, sender)
        try:
            async with job.wait_timeout:
                self._queue.append(job)
                self._dispatch()
                return await job.answer
        except TimeoutError:
            raise failure.SandboxUnavailableError(f"no reading process became free within {self._wait:g} s") from None
        finally:
            if job.child:  # the caller was cancelled
                job.child.kill()

    def refuse_waiting(self, is_refused: Callable[[Sender], bool]) -> None:
        """End the calls for mail of refused senders that still wait for a child: they raise the error "deferred"."""
        self._queue.refuse(is_refused)

    # --- children at work -------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give waiting mails to waiting children."""
        while self._queue and self._idle and self._free:
            self._free -= 1
            task = asyncio.create_task(self._work(self._idle.pop()))
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    async def _work(self, child: Child) -> None:
        """Let *child* read waiting mails as long as it may continue; then offer it again, or kill it."""
        ahead: deque[Job] = deque()  # mails that it was given and has not answered
        usable = False
        try:
            usable = self._has_setup(child) or await child.change_setup(self._spec.setup)
            while usable:
                fresh = self._queue.take_share(ahead) if self._can_take(child) else []
                ahead.extend(fresh)
                if not ahead:
                    break
                usable = False
                usable = await self._read(child, ahead, fresh)
        finally:
            self._put_back(ahead)
            self._free += 1
            if usable and self._can_continue(child):
                self._offer(child)
            else:
                child.kill()
                self._dispatch()

    def _can_continue(self, child: Child) -> bool:
        return self._open and not child.is_worn_out

    def _can_take(self, child: Child) -> bool:
        """Return whether a child may take more mail now. After a change of rules it must first answer what it has."""
        return self._can_continue(child) and self._has_setup(child)

    async def _has_taken(self, child: Child, rules: EncodedRules) -> bool:
        """Give *rules* to a child that waits for mail. Return whether it took them; else it ends and is replaced."""
        has_taken = False
        try:
            has_taken = await child.change_setup(rules)
        finally:
            if has_taken:
                self._offer(child)
            else:
                child.kill()
        return has_taken

    def _has_setup(self, child: Child) -> bool:
        return child.setup is self._spec.setup

    async def _read(self, child: Child, ahead: deque[Job], fresh: Sequence[Job]) -> bool:
        """Have the first of *ahead* read. Return whether the child may continue: it must have answered all in order.

        *fresh* are the jobs of *ahead* that were not sent yet. If the first one is slow, other children get the rest.
        """
        job, skipped = ahead.popleft(), 0

        def give_back() -> None:
            nonlocal skipped
            skipped += len(ahead)
            self._put_back(ahead, job.sender)

        job.start(child)
        timer = asyncio.get_running_loop().call_later(self._patience, give_back)
        try:
            usable = await self._answer(child, job, fresh)
        finally:
            timer.cancel()
            job.finish(failure.SandboxUnavailableError("the reading of a mail was cancelled"))  # no effect if finished
        return usable and await self._skip_answers(child, skipped)

    async def _answer(self, child: Child, job: Job, fresh: Sequence[Job]) -> bool:
        """Wait for the answer about *job*. Return whether the child can answer more."""

        def keep(result: ReadingResult) -> None:
            if not job.partial:
                limit.reschedule(asyncio.get_running_loop().time() + job.files_wait)
            job.partial = result

        try:
            async with asyncio.timeout(job.text_wait) as limit:
                mails = [(each.raw, each.head) for each in fresh]
                await child.send(mails, drain=len(fresh) == 1 and fresh[0] is job)
                job.finish(await child.receive(job.seconds, keep))
        except TimeoutError:
            job.finish(failure.timeout_error(job.files_wait if job.partial else job.text_wait))
            return False
        except failure.ReadFailedError as failed:
            job.finish(failed)
            return isinstance(failed, failure.ReportedError)
        return True

    async def _skip_answers(self, child: Child, count: int) -> bool:
        """Skip *count* answers about mails that other children have now. Return whether all of them came soon.

        The child reads these mails for nothing, and one that is as slow as the mail before costs more than a new child.
        """
        try:
            async with asyncio.timeout(SKIP_SECONDS if count else None):
                for _ in range(count):
                    with contextlib.suppress(failure.ReportedError):
                        await child.receive()
        except (TimeoutError, failure.ReadFailedError):
            return False
        return True

    def _put_back(self, jobs: deque[Job], slow: Sender = ()) -> None:
        self._queue.put_back(jobs, slow)
        self._dispatch()

    # --- waiting and new children -----------------------------------------------------------------------------------

    def _offer(self, child: Child) -> None:
        """Let this child work next: its memory is in the processor's caches, and the spare ones stay small."""
        self._idle.append(child)
        self._dispatch()

    def _refill(self) -> None:
        """Start the missing children. A killed child is not counted, although it takes a moment to end."""
        alive = sum(child.is_alive for child in self._children) + len(self._starting)
        for _ in range(self._children_wanted - alive if self._open else 0):
            task = asyncio.create_task(self._start_child())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start_child(self) -> None:
        """Start one child; retry until it succeeds."""
        attempt = 0
        while True:
            try:
                self._add(await Child.start(self._spec))
            except (failure.SandboxUnavailableError, OSError) as error:
                log.warning("no reading child could be started", reason=str(error), attempt=attempt)
            else:
                return
            await asyncio.sleep(delay(attempt))
            attempt += 1

    def _add(self, child: Child) -> None:
        self._children[child] = asyncio.create_task(self._watch(child))
        self._idle.appendleft(child)
        self._dispatch()

    async def _watch(self, child: Child) -> None:
        """Wait for the end of the child, and replace it."""
        code, size, error = await child.wait()
        del self._children[child]
        with contextlib.suppress(ValueError):
            self._idle.remove(child)  # it ended while it waited
        self._refill()
        write_log = log.info if self._open else log.debug  # when the pool closes, it is expected
        write_log("reading child ended", pid=child.pid, code=code, mails=child.mails, stderr_bytes=size, error=error)

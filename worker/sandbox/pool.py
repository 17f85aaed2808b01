"""The pool of reading children: warm ones wait, busy ones have a time limit, dead ones are replaced at once.

Mails wait in one queue. A child that gets free takes its share of them in one go and answers one after another, which
costs a third of asking for each. When one of them is slow or ends the child, those behind it go back to the queue.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from worker.sandbox import failure
from worker.sandbox.jobs import Job, Queue
from worker.sandbox.lanes import Lanes, Place
from worker.sandbox.limits import ChildLimits
from worker.sandbox.process import Child, Result, Start
from workitems.backoff import delay
from workitems.log import get_logger

log = get_logger("sandbox")

#: Seconds that killed children may take to be gone.
CLOSE_TIME = 10.0

#: The function that children read mail with. Tests name one of their own; only the parent ever chooses.
READ_MAIL = "worker.sandbox.mail:prepare"


class Sandbox:
    """Reads mails in child processes. Call `start` once, `read` from as many tasks as you like, `close` at the end.

    *rules* are JSON: mailbox → list of encoded `FieldRule`s, `"*"` for every mailbox that is not named; without either
    the general rules count. *size* mails are read at once and *slow* more once they have taken longer than *patience*
    seconds, so callers should have size + slow mails in hand. *spares* further children wait, already started
    (65 MB each): as many crashes at once delay nobody. A call waits up to *wait* seconds for its turn.
    """

    def __init__(
        self,
        rules: Mapping[str, Sequence[Mapping[str, Any]]],
        *,
        size: int = 2,
        spares: int = 2,
        slow: int = 2,
        patience: float = 0.4,
        wait: float = 60.0,
        limits: ChildLimits | None = None,
        function: str = READ_MAIL,
    ) -> None:
        self._start = Start(function, rules, limits or ChildLimits())
        self._base = size + spares
        self._wait = wait
        self._lanes = Lanes(size, slow, patience, self._refill)
        self._queue = Queue(wait, size)
        self._idle: deque[Child] = deque()
        self._working: set[asyncio.Task[None]] = set()
        self._children: dict[Child, asyncio.Task[None]] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._open = False
        #: Names of the steps of confinement that this platform does not have; known after `start`.
        self.missing: list[str] = []

    @property
    def idle(self) -> int:
        """How many children wait, warm."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """How many mails no child has taken yet."""
        return len(self._queue)

    async def start(self) -> None:
        """Return when the first child is ready; SandboxUnavailableError says why none can be. The others follow."""
        first = await Child.start(self._start)
        self.missing = first.missing
        if first.missing:
            log.warning("this platform cannot confine reading wholly", missing=", ".join(first.missing))
        self._open = True
        self._add(first)
        self._refill()

    async def close(self) -> None:
        """End every child and wait for each. May be called twice."""
        self._open = False
        self._idle.clear()
        self._queue.end(failure.SandboxUnavailableError("the sandbox is closed"))
        for task in self._starting:
            task.cancel()
        for child in self._children:
            child.kill()
        if ending := [*self._starting, *self._working, *self._children.values()]:
            await asyncio.wait(ending, timeout=CLOSE_TIME)

    async def read(self, raw: bytes, *, mailbox: str, limit: float) -> Result:
        """Read one mail within *limit* seconds, counted from when a child takes it.

        Raises ReadFailedError when this mail cannot be read and SandboxUnavailableError when no child can be had, which
        is no fault of the mail. A call that is cancelled takes its child with it.
        """
        if not self._open:
            raise failure.SandboxUnavailableError("the sandbox is closed")
        job = Job(raw, mailbox, limit)
        try:
            async with job.turn:
                self._queue.append(job)
                self._dispatch()
                return await job.answer
        except TimeoutError:
            raise failure.SandboxUnavailableError(f"no reading process got free within {self._wait:g} s") from None
        finally:
            if job.child:  # whoever asked is gone
                job.child.kill()

    # --- children at work -------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give what waits to children that wait."""
        while self._queue and self._idle and self._lanes.free:
            task = asyncio.create_task(self._work(self._idle.pop(), self._lanes.place()))
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    async def _work(self, child: Child, place: Place) -> None:
        """Let *child* read what waits, as long as it may go on, and see to it whatever happens."""
        ahead: deque[Job] = deque()  # what it was given and has not answered
        usable = True
        try:
            while usable:
                fresh = self._queue.share(ahead) if self._fits(child) and not place.slow else []
                ahead.extend(fresh)
                if not ahead:
                    break
                usable = False
                usable = await self._read(child, place, ahead, fresh)
        finally:
            self._put_back(ahead)
            place.leave()
            if usable and self._fits(child):
                self._offer(child)
            else:
                child.kill()
                self._dispatch()

    def _fits(self, child: Child) -> bool:
        return self._open and not child.worn and len(self._children) <= self._wanted()

    async def _read(self, child: Child, place: Place, ahead: deque[Job], fresh: Sequence[Job]) -> bool:
        """Have the first of *ahead* read; whether the child may go on: only one that answered all in order.

        *fresh* are those of *ahead* that it was not sent yet. While it is slow at one, others are given the rest.
        """
        job, owed = ahead.popleft(), list[float]()

        def give_back() -> None:
            owed.extend(each.limit for each in ahead)
            self._put_back(ahead)

        job.child = child
        job.wait(None)
        place.begin(give_back)
        try:
            usable = await self._answer(child, job, fresh)
        finally:
            place.rest()
            job.end(failure.SandboxUnavailableError("the reading of a mail was broken off"))  # unless it has ended
        return usable and await self._settle(child, owed)

    async def _answer(self, child: Child, job: Job, fresh: Sequence[Job]) -> bool:
        """Wait for the answer about *job*; whether another may follow."""
        try:
            async with asyncio.timeout(job.limit):
                mails = [(each.raw, each.mailbox) for each in fresh]
                await child.send(mails, patiently=len(fresh) == 1 and fresh[0] is job)
                job.end(await child.receive())
        except TimeoutError:
            job.end(failure.took_too_long(job.limit))
            return False
        except failure.ReadFailedError as failed:
            job.end(failed)
            return failed.kind == "error"
        return True

    async def _settle(self, child: Child, owed: list[float]) -> bool:
        """Pass over the answers about mails that others were given meanwhile; whether all of them came."""
        for limit in owed:
            try:
                async with asyncio.timeout(limit):
                    await child.receive()
            except TimeoutError:
                return False
            except failure.ReadFailedError as failed:
                if failed.kind != "error":
                    return False
        return True

    def _put_back(self, jobs: deque[Job]) -> None:
        self._queue.put_back(jobs)
        self._dispatch()

    # --- children that wait and come --------------------------------------------------------------------------------

    def _offer(self, child: Child) -> None:
        """The one that worked last works next: its memory is in the processor's caches, and spares stay small."""
        self._idle.append(child)
        self._dispatch()

    def _wanted(self) -> int:
        """How many children there should be: one that reads a slow mail is none that others may wait for."""
        return self._base + self._lanes.busy_slow

    def _refill(self) -> None:
        """Start as many children as are missing."""
        for _ in range(self._wanted() - len(self._children) - len(self._starting) if self._open else 0):
            task = asyncio.create_task(self._grow())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _grow(self) -> None:
        """Start one child, however often it takes."""
        attempt = 0
        while True:
            try:
                self._add(await Child.start(self._start))
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
        """Wait for the child's end, however it comes, and see that another takes its place."""
        code, size, error = await child.ended()
        del self._children[child]
        with contextlib.suppress(ValueError):
            self._idle.remove(child)  # it died while it waited
        self._refill()
        tell = log.info if self._open else log.debug  # at our own end it is nothing to look at
        tell("reading child ended", pid=child.pid, code=code, mails=child.mails, stderr_bytes=size, error=error)

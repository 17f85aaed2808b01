"""The pool of reading children: warm ones wait, busy ones have a time limit, dead ones are replaced at once."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from worker.sandbox import failure
from worker.sandbox.lanes import Lanes
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
        patience: float = 0.5,
        wait: float = 60.0,
        limits: ChildLimits | None = None,
        function: str = READ_MAIL,
    ) -> None:
        self._start = Start(function, rules, limits or ChildLimits())
        self._base = size + spares
        self._wait = wait
        self._lanes = Lanes(size, slow, patience, self._refill)
        self._idle: deque[Child] = deque()
        self._came = asyncio.Event()
        self._children: dict[Child, asyncio.Task[None]] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._open = False
        #: Names of the steps of confinement that this platform does not have; known after `start`.
        self.missing: list[str] = []

    @property
    def idle(self) -> int:
        """How many children wait, warm."""
        return len(self._idle)

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
        self._came.set()
        for task in self._starting:
            task.cancel()
        for child in self._children:
            child.kill()
        if ending := [*self._starting, *self._children.values()]:
            await asyncio.wait(ending, timeout=CLOSE_TIME)

    async def read(self, raw: bytes, *, mailbox: str, limit: float) -> Result:
        """Read one mail within *limit* seconds, counted from when a child takes it.

        Raises ReadFailedError when this mail cannot be read and SandboxUnavailableError when no child can be had, which
        is no fault of the mail. A call that is cancelled takes its child with it.
        """
        try:
            async with self._lanes.place(self._wait) as place:
                child = self._idle.popleft() if self._idle else await self._next_child()
                place.begin()
                return await self._read(child, raw, mailbox, limit)
        except TimeoutError:
            raise failure.SandboxUnavailableError(f"no reading process got free within {self._wait:g} s") from None

    async def _read(self, child: Child, raw: bytes, mailbox: str, limit: float) -> Result:
        """Read, and see to the child whatever happens: only one that answered in order may go on."""
        usable = False
        try:
            async with asyncio.timeout(limit):
                result = await child.read(raw, mailbox)
            usable = True
            return result
        except TimeoutError:
            raise failure.took_too_long(limit) from None
        except failure.ReadFailedError as failed:
            usable = failed.kind == "error"
            raise
        finally:
            if usable and self._open and not child.worn and len(self._children) <= self._wanted():
                self._offer(child)
            else:
                child.kill()

    async def _next_child(self) -> Child:
        """The next child that gets idle; TimeoutError after `wait` seconds."""
        async with asyncio.timeout(self._wait):
            while self._open:
                if self._idle:
                    return self._idle.popleft()
                self._came.clear()
                await self._came.wait()
        raise failure.SandboxUnavailableError("the sandbox is closed")

    def _offer(self, child: Child) -> None:
        self._idle.append(child)
        self._came.set()

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
        self._offer(child)

    async def _watch(self, child: Child) -> None:
        """Wait for the child's end, however it comes, and see that another takes its place."""
        code, size, error = await child.ended()
        del self._children[child]
        with contextlib.suppress(ValueError):
            self._idle.remove(child)  # it died while it waited
        self._refill()
        tell = log.info if self._open else log.debug  # at our own end it is nothing to look at
        tell("reading child ended", pid=child.pid, code=code, mails=child.mails, stderr_bytes=size, error=error)

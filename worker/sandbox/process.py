"""One reading child, seen from its parent: start, one mail at a time, its end."""

import asyncio
import contextlib
import os
import re
import sys
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.sandbox import failure, frames
from worker.sandbox.limits import ChildLimits

#: Seconds that a child may take from its start to its first answer; 0.5 to 1 is usual, a busy machine needs more.
START_TIME = 60.0

#: Seconds to wait for the rest of standard error once a process has ended.
END_TIME = 5.0

#: Seconds between the end of a child's answers and its own end, a little more than a crash takes.
CRASH_TIME = 1.0

#: Bytes that a stream buffers before the pipe is left to fill.
_BUFFER = 1024 * 1024

#: All that a child knows of this process's environment. `-I` also ignores every PYTHON… variable.
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}

_PROGRAM = Path(__file__).with_name("child.py")
_ERROR_LINE = re.compile(rb"^(?:Fatal Python error|[A-Za-z_][\w.]{0,60}(?=:|\s*$))", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Result:
    """What was read from one mail.

    *reading* holds the fields of `worker.reading.Reading` as plain JSON values (tuples are lists), except that its
    `attachments` are `{"n", "name", "type", "size", "inline", "content_id"}`; *attachments* holds their contents in
    the same order.
    """

    reading: dict[str, Any]
    attachments: list[bytes]


@dataclass(frozen=True, slots=True)
class Start:
    """How a child begins: the function that its parent chose, that function's argument, and the limits."""

    function: str
    setup: Any
    limits: ChildLimits


class Child:
    """A running process. `missing` names the steps of confinement that the platform does not have."""

    def __init__(self, process: Process, transport: asyncio.SubprocessTransport, limits: ChildLimits) -> None:
        self.mails = 0
        self.ready = False
        self.missing: list[str] = []
        self._process = process
        self._transport = transport
        self._limits = limits
        self._resident = 0
        self._processor = 0.0
        self._stderr = asyncio.create_task(_last_words(process.stderr))

    @classmethod
    async def start(cls, start: Start) -> "Child":
        """A child that has loaded its function and is confined; SandboxUnavailableError when that fails."""
        loop, arguments = asyncio.get_running_loop(), ["-I", "-B", "-X", "utf8", str(_PROGRAM)]
        transport, protocol = await loop.subprocess_exec(
            lambda: SubprocessStreamProtocol(_BUFFER, loop),
            sys.executable,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            close_fds=True,
            start_new_session=True,
        )
        child = cls(Process(transport, protocol, loop), transport, start.limits)
        try:
            async with asyncio.timeout(START_TIME):
                await child._greet(start)
            return child
        except TimeoutError:
            raise failure.SandboxUnavailableError(f"the reading process took over {START_TIME:g} s to start") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            why = failure.ended(await child._code())
            raise failure.SandboxUnavailableError(f"no reading process can start: {why}") from None
        except frames.FrameError as error:
            raise failure.SandboxUnavailableError(f"the reading process answers nonsense: {error}") from None
        finally:
            if not child.ready:
                child.kill()
                await child.ended()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs, as far as is known."""
        return self._process.returncode is None

    @property
    def worn(self) -> bool:
        """Whether it has read enough mails, or grown or worked so much, that a fresh one should go on."""
        limits = self._limits
        return self.mails >= limits.mails or self._resident > limits.grown or self._processor > limits.cpu / 2

    async def send(self, mails: Sequence[tuple[bytes, str]], *, patiently: bool) -> None:
        """Give it raw mails with their mailboxes' names, for as many `receive`. ReadFailedError when it has ended.

        *patiently*: as fast as the child takes them; never while it has answers to give: each may wait for the other.
        """
        try:
            for raw, mailbox in mails:
                await self._send({"mailbox": mailbox}, raw, patiently=patiently)
        except ConnectionError:
            raise failure.ended(await self._code()) from None

    async def receive(self) -> Result:
        """What it read of the next mail. After a ReadFailedError it goes on only when that is of kind "error"."""
        self.mails += 1
        try:
            head, parts = await self._receive()
        except (asyncio.IncompleteReadError, ConnectionError):
            raise failure.ended(await self._code()) from None
        except frames.FrameError as error:
            raise failure.nonsense(error) from None
        if "error" in head:
            raise failure.raised(head)
        try:
            return self._unpack(head, parts)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise failure.nonsense("a head without its fields") from None

    def kill(self) -> None:
        """End it now (SIGKILL); `ended` waits for it."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def ended(self) -> tuple[int, int, str]:
        """Wait for the end: exit code, bytes that it wrote to standard error, and the class of the last error there.

        To be called once; it closes the pipes.
        """
        try:
            code = await self._process.wait()
            done, _ = await asyncio.wait([self._stderr], timeout=END_TIME)
            return code, *(self._stderr.result() if done else (0, ""))
        finally:
            self._stderr.cancel()
            self._transport.close()

    async def _greet(self, start: Start) -> None:
        hello = {"function": start.function, "setup": start.setup, "parent": os.getpid()}
        await self._send({**hello, "limits": start.limits.encode()})
        head, _ = await self._receive()
        if "error" in head:
            told = f"{head['error']}: {head.get('message')} ({head.get('where')})"
            raise failure.SandboxUnavailableError(f"the reading process cannot start: {told}")
        self.missing, self.ready = head["missing"], True

    async def _send(self, head: dict[str, Any], raw: bytes | None = None, *, patiently: bool = True) -> None:
        """Write a frame, waiting *patiently* while the pipe is full; a small one at once, to wake it once."""
        pipe = self._process.stdin
        assert pipe
        frame = frames.encode(head, [] if raw is None else [raw])
        for chunk in frames.chunks(frame, raw or b""):
            pipe.write(chunk)
            if patiently:
                await pipe.drain()

    async def _receive(self) -> tuple[dict[str, Any], list[bytes]]:
        assert self._process.stdout
        return await frames.receive_bounded(self._process.stdout, self._limits)

    async def _code(self) -> int | None:
        """The exit code of a process whose pipe has closed; None when it lives on without it."""
        try:
            async with asyncio.timeout(CRASH_TIME):
                return await self._process.wait()
        except TimeoutError:
            return None

    def _unpack(self, head: dict[str, Any], parts: list[bytes]) -> Result:
        """The reverse of the child's `pack`; KeyError, TypeError or ValueError when it does not fit."""
        reading, long = dict(head["reading"]), list(head["long"])
        reading |= {str(name): text.decode() for name, text in zip(long, parts[: len(long)], strict=True)}
        self._resident, self._processor = int(head["rss"]), float(head["cpu"])
        return Result(reading, parts[len(long) :])


async def _last_words(stream: asyncio.StreamReader | None) -> tuple[int, str]:
    """Read standard error to its end: how much came, and the class of the last error in it; a text may quote a mail."""
    count, tail = 0, b""
    while stream and (data := await stream.read(4096)):
        count, tail = count + len(data), (tail + data)[-4096:]
    found = _ERROR_LINE.findall(tail)
    return count, found[-1].decode() if found else ""

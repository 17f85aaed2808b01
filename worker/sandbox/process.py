"""One reading child, as its parent controls it: start, send and receive mails, end."""

import asyncio
import contextlib
import os
import re
import sys
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from worker.sandbox import failure, frames
from worker.sandbox.limits import ChildLimits
from workitems.confinement import start

#: Seconds that a child may take from its start to its first answer; 0.5 to 1 is usual, a busy machine needs more.
START_TIME = 60.0

#: Seconds that a child may take to change its setup; some 0.1 are usual, a busy machine needs more.
CHANGE_TIME = 20.0

#: Seconds to wait for the rest of standard error once a process has ended.
END_TIME = 5.0

#: Seconds from the end of a child's answers to the end of its process; a crash takes a little less.
CRASH_TIME = 1.0

#: Answers and reports about one mail; it has fewer files that are read.
MAX_FRAMES = 1000

#: Bytes that a stream buffers before it stops reading from the pipe.
_BUFFER = 1024 * 1024

_PROGRAM = Path(__file__).with_name("child.py")
_ERROR_LINE = re.compile(rb"^(?:Fatal Python error|[A-Za-z_][\w.]{0,60}(?=:|\s*$))", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ReadingResult:
    """The result of reading one mail.

    *reading* holds the fields of `worker.reading.Reading` as plain JSON values (tuples are lists), except that its
    `attachments` are `{"n", "name", "type", "size", "inline", "content_id", "unread"}`; *attachments* holds their
    contents in the same order.
    """

    reading: dict[str, Any]
    attachments: list[bytes]
    #: Processor time that the child used.
    cpu_seconds: float = 0.0
    #: The file that is read next, or was read when the child ended; 0 for none.
    file: int = 0
    #: Why the reading ended at that file, if it did.
    stopped: failure.ReadFailedError | None = None
    #: Whether a file used up its time.
    is_unfinished: bool = False


def _ignore(_: ReadingResult) -> None:
    pass


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to start a child: the function that reads, the argument that makes it, and the limits.

    *nice*: by how much it gives way to other processes, see nice(2).
    """

    function: str
    setup: Any
    limits: ChildLimits
    nice: int = 0


class Child:
    """A running process. `missing_confinement` names the confinement steps that the platform does not support."""

    def __init__(self, process: Process, transport: asyncio.SubprocessTransport, spec: ChildSpec) -> None:
        self.mails = 0
        #: The argument with which its function was made.
        self.setup = spec.setup
        self.is_ready = False
        self.missing_confinement: list[str] = []
        self._process = process
        self._transport = transport
        self._limits = spec.limits
        self._is_killed = False
        self._resident = 0
        self._processor = 0.0
        self._stderr = asyncio.create_task(_read_stderr(process.stderr))

    @classmethod
    async def start(cls, spec: ChildSpec) -> "Child":
        """Start a child, which loads its function and is then confined. Raises SandboxUnavailableError."""
        loop, arguments = asyncio.get_running_loop(), [*start.PYTHON_OPTIONS, str(_PROGRAM)]
        transport, protocol = await loop.subprocess_exec(
            lambda: SubprocessStreamProtocol(_BUFFER, loop),
            sys.executable,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            **start.SURROUNDINGS,
        )
        child = cls(Process(transport, protocol, loop), transport, spec)
        try:
            async with asyncio.timeout(START_TIME):
                await child._set_up(spec)
            return child
        except TimeoutError:
            raise failure.SandboxUnavailableError(f"the reading process took over {START_TIME:g} s to start") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            why = failure.exit_error(await child._code())
            raise failure.SandboxUnavailableError(f"no reading process can start: {why}") from None
        except frames.FrameError as error:
            raise failure.SandboxUnavailableError(f"the reading process sends invalid answers: {error}") from None
        finally:
            if not child.is_ready:
                child.kill()
                await child.wait()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it was not killed and, as far as is known, has not ended."""
        return not self._is_killed and self._process.returncode is None

    @property
    def is_worn_out(self) -> bool:
        """Whether a new child should replace it: it reached its limit of mails or memory, or half its CPU time."""
        limits = self._limits
        return (
            self.mails >= limits.max_mails
            or self._resident > limits.max_resident_bytes
            or self._processor > limits.max_cpu_seconds / 2
        )

    async def change_setup(self, setup: Any) -> bool:
        """Have it read with another *setup*. Return whether it does; else it must be ended.

        Call it only while the child has no mail.
        """
        try:
            async with asyncio.timeout(CHANGE_TIME):
                await self._send({"setup": setup})
                head, _ = await self._receive()
            self._processor = float(head["cpu"])
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError, frames.FrameError):
            return False
        except (KeyError, TypeError, ValueError, OverflowError):  # it refuses the setup, or sends something else
            return False
        self.setup = setup
        return True

    async def send(self, mails: Sequence[tuple[bytes, dict[str, Any]]], *, drain: bool) -> None:
        """Send raw mails with their heads; then `receive` once for each. Raises ReadFailedError when it has ended.

        *drain*: wait while the pipe is full. Do not wait while the child sends answers: each would block the other.
        """
        try:
            for raw, head in mails:
                await self._send(head, raw, drain=drain)
        except ConnectionError:
            raise failure.exit_error(await self._code()) from None

    async def receive(self, limit: float = 0, on_progress: Callable[[ReadingResult], None] = _ignore) -> ReadingResult:
        """Return the result for the next mail, which has *limit* CPU seconds.

        After a ReadFailedError it can continue only if that is a ReportedError.

        Before the files of a mail are read, and at each of them, *on_progress* gets the result so far.
        """
        self.mails += 1
        result: ReadingResult | None = None
        try:
            for _ in range(MAX_FRAMES):
                head, parts = await self._receive()
                if "error" in head:
                    used = self._used(head) + (result.cpu_seconds if result else 0.0)
                    raise failure.reported_error(head, limit, used)
                if result and "file" in head:
                    result = replace(result, file=int(head["file"]))
                else:
                    result = self._unpack(head, parts, result)
                    if not head["more"]:
                        return result
                on_progress(result)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise failure.exit_error(await self._code()) from None
        except frames.FrameError as error:
            raise failure.malformed_answer_error(error) from None
        except (KeyError, TypeError, ValueError, OverflowError):
            raise failure.malformed_answer_error("a head without its fields") from None
        raise failure.malformed_answer_error("too many frames")

    def kill(self) -> None:
        """Kill it now (SIGKILL); `wait` waits for its end."""
        if self.is_alive:
            self._is_killed = True
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def wait(self) -> tuple[int, int, str]:
        """Wait for its end. Return exit code, number of bytes on standard error, and class of the last error there.

        Call it once; it closes the pipes.
        """
        try:
            code = await self._process.wait()
            done, _ = await asyncio.wait([self._stderr], timeout=END_TIME)
            return code, *(self._stderr.result() if done else (0, ""))
        finally:
            self._stderr.cancel()
            self._transport.close()

    async def _set_up(self, spec: ChildSpec) -> None:
        hello = {"function": spec.function, "setup": spec.setup, "parent": os.getpid(), "nice": spec.nice}
        await self._send({**hello, "limits": spec.limits.encode()})
        head, _ = await self._receive()
        if "error" in head:
            reason = f"{head['error']}: {head.get('message')} ({head.get('where')})"
            raise failure.SandboxUnavailableError(f"the reading process cannot start: {reason}")
        self.missing_confinement, self._processor, self.is_ready = head["missing"], head["cpu"], True

    async def _send(self, head: dict[str, Any], raw: bytes | None = None, *, drain: bool = True) -> None:
        """Write a frame; with *drain*, wait while the pipe is full. A small one is one write: the child wakes once."""
        pipe = self._process.stdin
        assert pipe
        frame = frames.encode(head, [] if raw is None else [raw])
        for chunk in frames.chunks(frame, raw or b""):
            pipe.write(chunk)
            if drain:
                await pipe.drain()

    async def _receive(self) -> tuple[dict[str, Any], list[bytes]]:
        assert self._process.stdout
        return await frames.receive_bounded(self._process.stdout, self._limits)

    async def _code(self) -> int | None:
        """Return the exit code of a process whose pipe has closed; None if the process still runs."""
        try:
            async with asyncio.timeout(CRASH_TIME):
                return await self._process.wait()
        except TimeoutError:
            return None

    def _used(self, head: dict[str, Any]) -> float:
        """Return the processor time since the last answer. Raises as `_unpack`."""
        before, self._processor = self._processor, float(head["cpu"])
        return max(0.0, self._processor - before)

    def _unpack(self, head: dict[str, Any], parts: list[bytes], first: ReadingResult | None) -> ReadingResult:
        """Reverse the child's `pack`; a second answer completes the *first*.

        Raises KeyError, TypeError, ValueError or OverflowError for a wrong answer.
        """
        reading, long = dict(head["reading"]), list(head["long"])
        reading |= {str(name): text.decode() for name, text in zip(long, parts[: len(long)], strict=True)}
        attachments = parts[len(long) :]
        used = self._used(head)
        self._resident = int(head["rss"])
        if first:
            reading = first.reading | reading
            attachments = first.attachments if head["same"] else attachments
            used += first.cpu_seconds
        return ReadingResult(reading, attachments, used, is_unfinished=bool(head["unfinished"]))


async def _read_stderr(stream: asyncio.StreamReader | None) -> tuple[int, str]:
    """Read standard error to its end. Return its size and the last error's class; the text itself may quote a mail."""
    count, tail = 0, b""
    while stream and (data := await stream.read(4096)):
        count, tail = count + len(data), (tail + data)[-4096:]
    found = _ERROR_LINE.findall(tail)
    return count, found[-1].decode() if found else ""

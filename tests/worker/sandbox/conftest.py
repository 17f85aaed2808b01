"""Sandboxes whose children read with `probes`, closed again, and looks at processes from outside."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from worker.sandbox.pool import Sandbox

PROBES = "tests.worker.sandbox.probes:prepare"

#: A limit in seconds that a mail reaches only when something is wrong.
AMPLE = 30.0

OpenSandbox = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
def open_sandbox(io_loop: IOLoop) -> Iterator[OpenSandbox]:
    """Make and start a sandbox of probes; each is closed after the test."""
    opened: list[Sandbox] = []

    async def open_one(**settings: Any) -> Sandbox:
        opened.append(Sandbox({}, **{"function": PROBES, **settings}))
        await opened[-1].start()
        return opened[-1]

    yield open_one
    for sandbox in opened:
        io_loop.run_sync(sandbox.close)


def processes_of(parent: int) -> set[int]:
    """Ids of the reading processes that *parent* started and that live; it may have others, such as a Redis."""
    return {number for number in _numbers() if _parent(number) == parent and _reads(number)}


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has waited for yet counts as ended."""
    return _parent(pid) is None


async def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait for *condition*, looking often; AssertionError names *what* did not come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)


def _numbers() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _reads(pid: int) -> bool:
    try:
        return b"/worker/sandbox/child.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _parent(pid: int) -> int | None:
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(parent)

"""Fixtures for sandboxes whose children read with `probes`, and functions that examine processes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from worker.sandbox.pool import Sandbox

PROBES = "tests.worker.sandbox.probes:prepare"

#: Seconds; a mail reaches this limit only when something is wrong.
AMPLE = 30.0

OpenSandbox = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
def open_sandbox(io_loop: IOLoop) -> Iterator[OpenSandbox]:
    """Make and start sandboxes with probes. They are closed after the test."""
    opened: list[Sandbox] = []

    async def open_one(**settings: Any) -> Sandbox:
        opened.append(Sandbox({}, **{"function": PROBES, **settings}))
        await opened[-1].start()
        return opened[-1]

    yield open_one
    for sandbox in opened:
        io_loop.run_sync(sandbox.close)


def processes_of(parent: int) -> set[int]:
    """Return the ids of *parent*'s running reading children; it may have other children, such as a Redis."""
    return {number for number in _numbers() if _parent(number) == parent and _is_reading_child(number)}


def is_gone(pid: int) -> bool:
    """Return whether the process has ended. A zombie counts as ended."""
    return _parent(pid) is None


async def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until *condition* holds. Raises AssertionError, which names *what* did not happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)


def _numbers() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _is_reading_child(pid: int) -> bool:
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

"""Blocking work runs in a bounded number of threads; a cancelled caller leaves nothing half done."""

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.program import PROJECT
from tests.support.waiting import eventually
from workitems.base.threads import Threads, hanging_threads, run_alone


@pytest.fixture
def threads() -> Iterator[Threads]:
    """One thread, so that the second piece of work waits for the first."""
    threads = Threads(1, "test")
    yield threads
    threads.close()


def fail() -> None:
    raise KeyError("reason")


async def test_a_result_is_returned_and_an_error_is_raised(threads: Threads) -> None:
    assert await threads.run(divmod, 7, 2) == (3, 1)
    assert await threads.run_shielded(int, "11", base=2) == 3
    for run in (threads.run, threads.run_shielded):
        with pytest.raises(KeyError, match="reason"):
            await run(fail)


@pytest.mark.parametrize("shielded", [True, False])
async def test_queued_work_runs_after_a_cancellation_only_when_it_is_shielded(threads: Threads, shielded: bool) -> None:
    release, done = threading.Event(), list[str]()
    first = asyncio.create_task(threads.run(release.wait, 30))
    await asyncio.sleep(0)
    second = asyncio.create_task((threads.run_shielded if shielded else threads.run)(done.append, "second"))
    await asyncio.sleep(0)
    second.cancel()
    with suppress(asyncio.CancelledError):
        await second
    release.set()
    await first
    await threads.run(done.append, "third")
    assert done == (["second", "third"] if shielded else ["third"])


async def test_closing_waits_for_accepted_work() -> None:
    threads, done = Threads(1, "test"), list[int]()
    for n in range(20):
        threads.submit(done.append, n)
    threads.close()
    assert done == [*range(20)]
    with pytest.raises(RuntimeError):
        threads.submit(done.append, 20)


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """Return an event that work can wait for as for a disk that hangs; it is set in the end."""
    event = threading.Event()
    yield event
    event.set()


async def test_work_that_hangs_is_given_up_and_what_waits_behind_it_is_never_started(
    hanging: threading.Event, threads: Threads
) -> None:
    done = list[str]()
    for work in (hanging.wait, lambda: done.append("second")):
        with pytest.raises(TimeoutError):
            await threads.run_within(0.01, work)
    hanging.set()
    await threads.run_within(None, done.append, "third")
    assert done == ["third"]


async def test_no_more_work_waits_behind_work_that_hangs_than_was_said(hanging: threading.Event) -> None:
    threads = Threads(1, "test", max_waiting=2)
    first = asyncio.create_task(threads.run(hanging.wait))
    await asyncio.sleep(0)
    await eventually(lambda: threads._pool._work_queue.qsize() == 0)
    waiting = [asyncio.create_task(threads.run_within(None, int)) for _ in range(2)]
    await asyncio.sleep(0)
    for refused in (threads.run_within(None, int), threads.acquire_within(None, int, str)):
        with pytest.raises(TimeoutError, match="too much work"):
            await refused
    hanging.set()
    await asyncio.gather(first, *waiting)
    assert await threads.run_within(None, int) == 0
    threads.close()


async def test_what_was_acquired_too_late_is_released(hanging: threading.Event, threads: Threads) -> None:
    released = list[bool]()
    with pytest.raises(TimeoutError):
        await threads.acquire_within(0.01, hanging.wait, released.append)
    assert not released
    hanging.set()
    await eventually(lambda: released == [True])
    assert await threads.acquire_within(None, lambda: 7, released.append) == 7
    assert released == [True]


async def test_closing_does_not_wait_long_for_work_that_hangs(hanging: threading.Event) -> None:
    threads = Threads(1, "hanging")
    threads.submit(hanging.wait)
    threads.close(0.01)
    assert [name for name in hanging_threads() if name.startswith("hanging")] == ["hanging_0"]
    hanging.set()
    threads.close()
    assert not any(name.startswith("hanging") for name in hanging_threads())


@pytest.mark.parametrize(("end", "code"), [("pass", 0), ("raise SystemExit(1)", 1)])
def test_a_program_ends_although_its_threads_hang(end: str, code: int) -> None:
    program = [
        "import threading",
        "from workitems.base.log import get_logger",
        "from workitems.base.threads import Threads, end_if_work_hangs",
        "threads = Threads(1, 'disk')",
        "threads.submit(threading.Event().wait)",
        "try:",
        f"    {end}",
        "finally:",
        "    threads.close(0.01)",
        "    end_if_work_hangs(get_logger('test'))",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(program)], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == code
    assert "ended although work hangs" in ended.stdout + ended.stderr
    assert "disk_0" in ended.stdout + ended.stderr


async def test_a_command_has_a_thread_for_one_piece_of_work() -> None:
    assert (await run_alone(threading.current_thread)).name.startswith("alone")


def test_no_work_is_given_to_the_threads_that_all_of_asyncio_shares() -> None:
    paths = [path for name in ("server", "worker", "workitems") for path in (PROJECT / name).rglob("*.py")]
    assert len(paths) > 100
    used = [str(path) for path in paths if re.search(r"\b(?:to_thread|run_in_executor)\(", path.read_text())]
    assert used == []

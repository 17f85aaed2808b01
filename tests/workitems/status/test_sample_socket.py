"""Processes of one host give each other their metrics."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from workitems.status import sample_socket
from workitems.status.process_metrics import ProcessMetrics
from workitems.status.sample_socket import ask_processes, serving_samples


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: a socket's may have about 100 bytes."""
    made = Path(tempfile.mkdtemp(prefix="tp-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def process(name: str, count: int = 1) -> ProcessMetrics:
    registry = CollectorRegistry()
    Counter("tubepost_things", "Things", registry=registry).inc(count)
    return ProcessMetrics(name, registry)


async def test_a_process_gets_the_metrics_of_all_others(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        for name in ("server_00", "server_01", "worker_00"):
            await stack.enter_async_context(serving_samples(folder, process(name)))
        found = await ask_processes(folder, except_process="server_01")
        assert [each.process for each in found.answered] == ["server_00", "worker_00"]
        names = {metric.name for metric in found.answered[0].metrics}
        assert {"tubepost_things", "tubepost_build_info", "process_cpu_seconds", "process_open_fds"} <= names
        assert {"process_resident_memory_bytes", "process_max_fds", "process_start_time_seconds"} <= names
    assert folder not in files(folder.parent), "the last process removes it"


async def test_a_killed_process_disappears_and_its_successor_takes_its_place(folder: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(folder / "server_00.sock"))
    left.listen()
    left.close()
    found = await ask_processes(folder, except_process="x")
    assert (found.answered, found.silent) == ([], [])
    async with serving_samples(folder, process("server_00")):
        assert [each.process for each in (await ask_processes(folder, except_process="x")).answered] == ["server_00"]


async def test_the_socket_of_a_process_that_ended_long_ago_is_removed(folder: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(folder / "server-123.sock"))
    left.close()
    os.utime(folder / "server-123.sock", (time.time() - 3600, time.time() - 3600))
    await ask_processes(folder, except_process="x")
    assert files(folder) == []


async def test_a_process_that_hangs_is_named_and_delays_the_answer_by_a_bounded_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_socket, "ANSWER_SECONDS", 0.2)
    hung = socket.socket(socket.AF_UNIX)
    hung.bind(str(folder / "server_01.sock"))
    hung.listen()
    found = await ask_processes(folder, except_process="server_00")
    assert found.silent == ["server_01"]
    hung.close()


async def test_an_answer_that_is_none_counts_as_silent(folder: Path) -> None:
    async def collect() -> None:
        raise OSError

    async with serving_samples(folder, ProcessMetrics("odd", refresh=collect)):
        assert (await ask_processes(folder, except_process="x")).silent == ["odd"]


async def test_a_folder_that_cannot_be_used_ends_no_process(folder: Path) -> None:
    os.chmod(folder, 0o777)  # noqa: PTH101
    async with serving_samples(folder, process("server_00")):
        assert (await ask_processes(folder, except_process="x")).answered == []
    assert files(folder) == [], "a socket there could be another user's"
    async with serving_samples(folder / "no" / "such", process("server_00")):
        pass


async def test_a_process_that_stops_leaves_the_socket_of_its_successor(folder: Path) -> None:
    async with AsyncExitStack() as old:
        await old.enter_async_context(serving_samples(folder, process("server_00", 1)))
        async with serving_samples(folder, process("server_00", 2)):
            await old.aclose()
            assert len((await ask_processes(folder, except_process="x")).answered) == 1

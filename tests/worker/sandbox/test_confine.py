"""What a child cannot do, tried from inside a child by whoever runs the tests, root or not."""

import os
import resource
import socket
from pathlib import Path

import pytest

from tests.worker.sandbox.conftest import AMPLE, OpenSandbox, processes_of
from worker.sandbox import seccomp
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.limits import ChildLimits

#: What the filter answers where EPERM would keep a libc from using the older call.
ABSENT = {"new clone": "ENOSYS", "new open": "ENOSYS"}


async def test_every_way_out_of_the_child_is_denied(open_sandbox: OpenSandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "empty").mkdir()
    sandbox = await open_sandbox()

    found = await sandbox.read(b"denials %s %d" % (bytes(tmp_path), os.getpid()), mailbox="m", limit=AMPLE)

    open_ways = {name: answer for name, answer in found.reading.items() if answer != ABSENT.get(name, "EPERM")}
    assert open_ways == {}
    assert (tmp_path / "file").read_text() == "kept"
    assert not [name for name in ("new", "other", "hard", "soft", "sub") if (tmp_path / name).exists()]


async def test_the_child_reads_code_and_neither_settings_nor_mail_nor_its_parent(
    open_sandbox: OpenSandbox, tmp_path: Path
) -> None:
    (tmp_path / "mail").write_text("secret")
    sandbox = await open_sandbox()

    found = await sandbox.read(b"readings %s %d" % (bytes(tmp_path / "mail"), os.getpid()), mailbox="m", limit=AMPLE)

    readable = {place for place, answer in found.reading["others"].items() if answer != "EACCES"}
    assert not readable or sandbox.missing == ["landlock"], readable
    assert found.reading["own"] == "done"


async def test_the_child_gets_no_environment_no_directory_and_no_descriptors(
    open_sandbox: OpenSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUBEPOST_TOKEN", "secret")
    with socket.socket() as ours:
        ours.set_inheritable(True)
        sandbox = await open_sandbox()
        found = (await sandbox.read(b"surroundings", mailbox="m", limit=AMPLE)).reading

    assert found["environment"] == {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
    assert found["directory"] == "/"
    assert found["descriptors"] == 6  # three standard ones, two pipes, its own memory's size
    assert found["session"] is True


async def test_the_limits_are_set_hard_and_no_capability_is_left_but_reading(open_sandbox: OpenSandbox) -> None:
    await open_sandbox(size=1, spares=0, limits=ChildLimits(memory=512 * 2**20, files=40, cpu=77))
    (pid,) = processes_of(os.getpid())

    wanted = {"AS": 512 * 2**20, "NOFILE": 40, "CPU": 77, "FSIZE": 0, "CORE": 0}
    found = {name: resource.prlimit(pid, getattr(resource, f"RLIMIT_{name}")) for name in wanted}
    assert found == {name: (value, value) for name, value in wanted.items()}
    status = status_of(pid)
    assert int(status["CapEff"], 16) in (0, 4)
    assert int(status["CapPrm"], 16) in (0, 4)
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def status_of(pid: int) -> dict[str, str]:
    """/proc/<pid>/status, proc(5)."""
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


async def test_processor_time_ends_a_child_whose_parent_would_wait(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, limits=ChildLimits(cpu=1))

    with pytest.raises(ReadFailedError) as raised:
        await sandbox.read(b"spin", mailbox="m", limit=AMPLE)

    assert raised.value.reason != "reading took longer than 30 s"


async def test_libraries_and_threads_that_come_late_still_work(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()

    found = await sandbox.read(b"late_import", mailbox="m", limit=AMPLE)

    assert found.reading == {"date": "2025-03-03T00:00:00"}


async def test_a_child_may_still_signal_itself(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()

    assert (await sandbox.read(b"signal_itself", mailbox="m", limit=AMPLE)).reading == {"raised": True}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_whole_for_both_machines(machine: str) -> None:
    program = seccomp.program(machine, 1)

    assert program
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096  # BPF_MAXINSNS
    assert program.endswith(b"\x06\x00\x00\x00\x00\x00\xff\x7f")


def test_a_machine_without_a_table_has_no_filter() -> None:
    assert seccomp.program("riscv64", 1) is None


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 1), ("aarch64", 2)])
def test_no_number_is_denied_twice(machine: str, column: int) -> None:
    rows = [*seccomp.DENIED.values(), seccomp.ABSENT, seccomp.OPEN, seccomp.OPENAT, seccomp.CLONE, seccomp.TGKILL]
    numbers = [number for row in rows for number in seccomp.numbers(row, column)]

    assert len(numbers) == len(set(numbers)), machine

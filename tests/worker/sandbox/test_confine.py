"""What a child cannot do, tried from inside a child, as root or as another user."""

import os
import resource
import socket
from pathlib import Path

import pytest

from tests.worker.sandbox.conftest import AMPLE, OpenSandbox, processes_of
from worker.sandbox.failure import ReadFailedError
from worker.sandbox.limits import ChildLimits

#: The answers of the filter: to arguments that are not allowed, and to calls that are not on its list.
DENIED = {"EPERM", "ENOSYS"}


async def test_every_way_to_act_outside_of_the_child_is_denied(open_sandbox: OpenSandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "empty").mkdir()
    sandbox = await open_sandbox()

    found = await sandbox.read(b"denials %s %d" % (bytes(tmp_path), os.getpid()), mailbox="m", limit=AMPLE)

    open_ways = {name: answer for name, answer in found.reading.items() if answer not in DENIED}
    assert open_ways == {}
    assert (tmp_path / "file").read_text() == "kept"
    assert not [name for name in ("new", "other", "hard", "soft", "sub") if (tmp_path / name).exists()]


async def test_the_child_can_read_code_but_no_settings_no_mail_and_not_its_parent(
    open_sandbox: OpenSandbox, tmp_path: Path
) -> None:
    (tmp_path / "mail").write_text("secret")
    sandbox = await open_sandbox()

    found = await sandbox.read(b"readings %s %d" % (bytes(tmp_path / "mail"), os.getpid()), mailbox="m", limit=AMPLE)

    readable = {path for path, answer in found.reading["others"].items() if answer != "EACCES"}
    assert not readable or sandbox.missing_confinement == ["landlock"], readable
    assert found.reading["own"] == "done"


async def test_the_child_inherits_no_environment_no_directory_and_no_descriptors(
    open_sandbox: OpenSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUBEPOST_TOKEN", "secret")
    with socket.socket() as ours:
        ours.set_inheritable(True)
        sandbox = await open_sandbox()
        found = (await sandbox.read(b"surroundings", mailbox="m", limit=AMPLE)).reading

    assert found["environment"] == {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
    assert found["directory"] == "/"
    assert found["descriptors"] == 6  # three standard ones, two pipes, /proc/self/statm
    assert found["session"] is True


async def test_the_hard_limits_are_set_and_only_the_capability_to_read_is_left(open_sandbox: OpenSandbox) -> None:
    await open_sandbox(
        size=1, spares=0, limits=ChildLimits(max_memory_bytes=512 * 2**20, max_open_files=40, max_cpu_seconds=77)
    )
    (pid,) = processes_of(os.getpid())

    expected = {"AS": 512 * 2**20, "NOFILE": 40, "CPU": 77, "FSIZE": 0, "CORE": 0}
    found = {name: resource.prlimit(pid, getattr(resource, f"RLIMIT_{name}")) for name in expected}
    assert found == {name: (value, value) for name, value in expected.items()}
    status = status_of(pid)
    assert int(status["CapEff"], 16) in (0, 4)
    assert int(status["CapPrm"], 16) in (0, 4)
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def status_of(pid: int) -> dict[str, str]:
    """Return the fields of /proc/<pid>/status, proc(5)."""
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


async def test_the_limit_of_processor_time_ends_a_child_before_its_parent_does(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(size=1, limits=ChildLimits(max_cpu_seconds=1))

    with pytest.raises(ReadFailedError) as raised:
        await sandbox.read(b"spin", mailbox="m", limit=AMPLE)

    assert raised.value.reason != "reading took longer than 30 s"


async def test_libraries_and_threads_that_start_late_still_work(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()

    found = await sandbox.read(b"late_import", mailbox="m", limit=AMPLE)

    assert found.reading == {"date": "2025-03-03T00:00:00"}


async def test_a_child_can_signal_itself(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()

    assert (await sandbox.read(b"signal_itself", mailbox="m", limit=AMPLE)).reading == {"raised": True}


async def test_every_call_that_is_not_on_the_list_is_as_on_a_kernel_without_it(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox()

    found = (await sandbox.read(b"other_calls", mailbox="m", limit=AMPLE)).reading

    assert found.pop("tried") > 800
    assert found == {}

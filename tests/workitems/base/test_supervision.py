"""The locks of a data folder, held by real processes."""

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.program import PROJECT
from workitems.base import supervision

#: A parent with children that hold the lock. It prints what each child printed and ends at the end of its input.
PARENT = """
import subprocess, sys
child = '''
import sys
from pathlib import Path
from workitems.base import supervision
supervision.WAIT_SECONDS = float(sys.argv[2])
try:
    supervision.hold_with_siblings(Path(sys.argv[1]))
except supervision.DataFolderInUseError as error:
    print("refused:", error, flush=True)
else:
    print("holds", flush=True)
    sys.stdin.read()
'''
children = [
    subprocess.Popen([sys.executable, "-c", child, *sys.argv[2:4]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for _ in range(int(sys.argv[1]))
]
for each in children:
    print(each.pid, each.stdout.readline().decode().strip(), flush=True)
sys.stdin.read()
"""

Parent = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    started: list[subprocess.Popen[str]] = []

    def start(children: int, wait: float) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-c",
            PARENT,
            str(children),
            str(tmp_path / "data" / "lock"),
            str(wait),
            "supervisord",
        ]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=PROJECT, text=True, stdin=pipe, stdout=pipe))
        return started[-1]

    yield start
    for process in started:
        process.communicate(timeout=30)


def said(process: subprocess.Popen[str], lines: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(lines)]


def test_programs_of_one_parent_share_the_folder_and_those_of_another_are_refused(parent: Parent) -> None:
    first = said(parent(3, 30), 3)
    assert [line.partition(" ")[2] for line in first] == ["holds"] * 3
    second = said(parent(2, 0.2), 2)
    for line in second:
        assert "refused:" in line
        for holder in first:
            assert f"pid {holder.partition(' ')[0]} (" in line


def test_programs_of_the_next_parent_get_the_folder_when_the_last_of_the_old_ones_has_ended(parent: Parent) -> None:
    old = parent(2, 30)
    said(old, 2)
    new = parent(3, 30)
    old.communicate(timeout=30)
    assert [line.partition(" ")[2] for line in said(new, 3)] == ["holds"] * 3


def test_programs_below_a_wrapper_belong_to_its_supervisord() -> None:
    source = "from workitems.base.supervision import _supervisor; print(_supervisor())"
    wrapped = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {source!r}])"
    parent = "import os, subprocess, sys; print(os.getpid(), flush=True); "
    parent += f"subprocess.run([sys.executable, '-c', {wrapped!r}])"
    command = [sys.executable, "-c", parent, "supervisord"]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    assert said[0] == said[1]


#: A process that inherits the children of ended ones, as `systemd --user` and the init of a container do. Its child
#: starts a program and ends before that program has tied itself to it.
SUBREAPER = """
import ctypes, os, subprocess, sys
program = '''
import os, sys, time
from workitems.base.supervision import SupervisorLostError, end_with_parent
parent = os.getppid()
print("started", flush=True)
while os.getppid() == parent:
    time.sleep(0.01)
try:
    end_with_parent(9)
except SupervisorLostError as error:
    print(error, file=sys.stderr)
else:
    print("goes on", file=sys.stderr)
'''
supervisor = '''
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
os._exit(0)
'''
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
subprocess.run([sys.executable, "-c", supervisor, program])
os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process whose parent ended")
def test_a_program_whose_supervisord_ended_during_its_start_ends_wherever_it_was_adopted() -> None:
    command = [sys.executable, "-c", SUBREAPER]
    adopted = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True)
    assert "the supervisord that started this program has ended" in adopted.stderr


def test_of_two_parents_that_start_together_one_gets_the_folder(parent: Parent) -> None:
    both = [parent(3, 1), parent(3, 1)]
    holds = [[line.endswith(" holds") for line in said(each, 3)] for each in both]
    assert any(map(any, holds))
    assert not all(map(any, holds)), "never programs of both"


def test_a_lock_of_one_process_is_refused_to_others_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "WAIT_SECONDS", 0.0)
    source = "import sys; from pathlib import Path; from workitems.base.supervision import hold_alone; "
    source += "hold_alone(Path(sys.argv[1])); print('holds', flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", source, str(path)], cwd=PROJECT, stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"holds\n"
        with pytest.raises(supervision.DataFolderInUseError, match=f"pid {other.pid} .*kill {other.pid}`"):
            supervision.hold_alone(path)
        other.send_signal(signal.SIGKILL)
        other.wait(30)
        supervision.hold_alone(path)


@pytest.mark.parametrize("hold", [supervision.hold_alone, supervision.hold_with_siblings])
def test_a_folder_that_cannot_be_used_is_said_in_one_sentence(
    hold: Callable[[Path], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "WAIT_SECONDS", 0.0)
    (tmp_path / "file").write_text("")
    with pytest.raises(supervision.DataFolderUnusableError, match=r"file cannot be used: File exists\. Correct that"):
        hold(tmp_path / "file" / "lock")


def test_a_file_system_without_locks_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(supervision, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(supervision.fcntl, "flock", flock)
    with pytest.raises(supervision.DataFolderUnusableError, match="cannot be used: No locks available"):
        supervision.hold_alone(tmp_path / "lock")


def test_a_folder_that_becomes_usable_while_a_program_waits_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "WAIT_SECONDS", 60.0)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(supervision.time, "sleep", lambda _: (tmp_path / "file").unlink())
    supervision.hold_alone(tmp_path / "file" / "lock")


def test_others_lose_their_rights_on_a_folder_and_its_logs_only(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    for name, mode in (("a.log", 0o666), ("a.log.1", 0o644), ("b.log", 0o600), ("other", 0o644)):
        (folder / name).touch()
        (folder / name).chmod(mode)
    folder.chmod(0o2777)
    supervision.close_to_others(folder)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"var": 0o2750, "a.log": 0o640, "a.log.1": 0o640, "b.log": 0o600, "other": 0o644}
    supervision.close_to_others(tmp_path / "missing")

"""`make run`, and the same supervisord.conf without the demo, as whole families of processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.support.program import PROJECT, free_port

#: Seconds for the whole family on a busy machine.
PATIENCE = 60.0

TOKEN = "a-token-for-the-demo"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, so that no run shares `var` with another."""
    copy = tmp_path / "p"
    ignored = shutil.ignore_patterns(".git", ".venv", "var", "tests", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(PROJECT, copy, ignore=ignored)
    (copy / "var").mkdir()
    (copy / ".venv").symlink_to(Path(sys.executable).parent.parent)
    return copy


@pytest.fixture
def start(project: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program in the copy and ends its whole family."""
    started: list[subprocess.Popen[str]] = []

    def begin(*command: str, **environment: str) -> subprocess.Popen[str]:
        clean = {"PATH": os.environ["PATH"], "HOME": str(project), **environment}
        started.append(
            subprocess.Popen(
                command, cwd=project, env=clean, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        )
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()
    eventually(lambda: not family(project))


def family(project: Path) -> dict[int, str]:
    """Every process that works in the copy or was started from it: pid → command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = str((entry / "cwd").readlink())
        except OSError:
            continue
        if command and (str(project) in command or where.startswith(str(project))):
            found[int(entry.name)] = command
    return found


def eventually(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def fetch(port: int, path: str) -> dict[str, object]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        value: dict[str, object] = json.loads(answer.read())
        return value


def items(port: int) -> list[dict[str, object]]:
    found = fetch(port, "/api/workitems")["items"]
    assert isinstance(found, list)
    return found


def until_welcomed(process: subprocess.Popen[str]) -> str:
    """What it says until the link; supervisord itself stays silent."""
    assert process.stdout is not None
    said = ""
    while "/login?token=" not in said:
        line = process.stdout.readline()
        assert line, f"ended before it was ready:\n{said}"
        said += line
    return said


def test_the_demo_shows_letters_ends_without_a_trace_and_keeps_what_came(
    project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    port = free_port()
    how = {"PORT": str(port), "TUBEPOST_TOKEN": TOKEN, "TUBEPOST_SERVERS": "1", "TUBEPOST_DEMO__RATE": "600"}
    demo = start(sys.executable, "run.py", "demo", **how)
    said = until_welcomed(demo)
    assert f"http://127.0.0.1:{port}/login?token={TOKEN}" in said
    eventually(lambda: len(items(port)) >= 3)
    running = "\n".join(family(project).values())
    assert running.count("run.py server") == 1
    assert "pymap" in running
    before = {str(item["id"]) for item in items(port)}

    written = (project / "var/demo/tubepost.toml").read_bytes()
    second = start(sys.executable, "run.py", "demo", PORT=str(port))
    assert "already runs from" in second.communicate(timeout=PATIENCE)[0]
    assert second.returncode == 2
    assert (project / "var/demo/tubepost.toml").read_bytes() == written

    demo.send_signal(signal.SIGINT)
    assert demo.wait(PATIENCE) == 0
    assert family(project) == {}
    logs = "".join(path.read_text(errors="replace") for path in (project / "var").glob("*.log"))
    assert TOKEN not in logs

    start(sys.executable, "run.py", "demo", **{**how, "TUBEPOST_DEMO__RATE": "0"})
    eventually(lambda: _answers(port))
    assert {str(fetch(port, f"/api/workitems/{item}")["id"]) for item in before} == before


def test_supervisord_without_the_demo_starts_as_many_workers_as_are_set_and_nothing_of_the_demo(
    project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    port = free_port()
    conf = project / "supervisord.conf"
    text = conf.read_text().replace("127.0.0.1:8888", f"127.0.0.1:{port}").replace("numprocs = 1\n", "numprocs = 2\n")
    conf.write_text(text)
    (project / "tubepost.toml").write_text(f'token = "{TOKEN}"\n')
    start(str(project / ".venv/bin/supervisord"), "-c", "supervisord.conf")
    eventually(lambda: _answers(port))
    running = "\n".join(family(project).values())
    assert running.count("run.py server") == 2
    assert running.count("run.py worker") == 2
    assert "demo" not in running
    assert "pymap" not in running
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/test/workitem",
        data=b"{}",
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 403
    assert "test_items" in refused.value.read().decode()
    refused.value.close()


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"PORT": "many"}, "PORT: a number from 1 to 65535 is accepted, found 'many'"),
        ({"TUBEPOST_SERVERS": "none"}, "TUBEPOST_SERVERS"),
        ({"TUBEPOST_DEMO__RAET": "1"}, "did you mean rate?"),
    ],
)
def test_a_wrong_setting_stops_the_demo_with_one_sentence(
    start: Callable[..., subprocess.Popen[str]], environment: dict[str, str], told: str
) -> None:
    demo = start(sys.executable, "run.py", "demo", **{"PORT": str(free_port()), **environment})
    said, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 2
    assert told in said
    assert "Traceback" not in said


def _answers(port: int) -> bool:
    try:
        return fetch(port, "/readyz")["status"] == "ready"
    except OSError:
        return False


def test_the_demo_plays_a_script_tells_of_it_in_the_terminal_and_sends_no_letters(
    project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    port = free_port()
    (project / "a script.txt").write_text("streams 1\nitems 2\nwait 0.1\nrepeat\n")
    how = {"PORT": str(port), "TUBEPOST_TOKEN": TOKEN, "TUBEPOST_SERVERS": "3"}
    demo = start(sys.executable, "run.py", "demo", "--script", "a script.txt", **how)
    until_welcomed(demo)
    assert "\n".join(family(project).values()).count("run.py demo-server") == 1
    request = urllib.request.Request(f"http://127.0.0.1:{port}/sse/workitems")
    request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request, timeout=PATIENCE) as stream:
        told = [json.loads(line[6:]) for line in _lines(stream, until=b'"Item 2 of the script"')]
    assert told[0]["event"] == "connected"
    assert {item["test"] for item in items(port)} == {True}, "no letter came"
    demo.send_signal(signal.SIGINT)
    assert demo.wait(PATIENCE) == 0
    assert demo.stdout is not None
    said = demo.stdout.read()
    assert "It plays a script.txt: each step is told here." in said
    assert "script: line 2: items 2\nscript: line 3: wait 0.1\nscript: line 1: streams 1\n" in said
    assert TOKEN not in said
    assert "listening" in (project / "var/server_00.log").read_text()
    assert family(project) == {}


def test_a_wrong_script_is_told_line_by_line_and_nothing_starts(
    project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    (project / "s.txt").write_text("items 3\nrotat\nwait forever\n")
    demo = start(sys.executable, "run.py", "demo", "--script", "s.txt", PORT=str(free_port()))
    said, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 2
    assert "s.txt:2: 'rotat' is no step; did you mean rotate?\n" in said
    assert "s.txt:3: wait: seconds from 0.01 to 3600, found 'forever'\n" in said
    assert not (project / "var/demo").exists()


def test_the_server_that_plays_is_nothing_that_a_normal_installation_can_start(
    project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    (project / "var/script.txt").write_text("items 3\n")
    server = start(sys.executable, "run.py", "demo-server")
    said, _ = server.communicate(timeout=PATIENCE)
    assert server.returncode == 2
    assert "started by run.py demo --script FILE" in said


def _lines(stream: IO[bytes], until: bytes) -> Iterator[bytes]:
    """The data lines of a stream, to the first that holds *until*."""
    for line in stream:
        if line.startswith(b"data: "):
            yield line
        if until in line:
            return

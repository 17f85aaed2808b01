"""`make run`, and supervisord.conf without the demo, with all their processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import IO

import pytest

from tests.support.program import PROJECT, free_port

#: Seconds for all processes to start or end on a busy machine.
PATIENCE = 120.0

TOKEN = "a-token-for-the-demo"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the project, so that each test has its own `var`."""
    copy = tmp_path / "p"
    ignored = shutil.ignore_patterns(".git", ".venv", "var", "tests", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(PROJECT, copy, ignore=ignored)
    (copy / "var").mkdir()
    (copy / ".venv").symlink_to(Path(sys.executable).parent.parent)
    return copy


@pytest.fixture
def start(project: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program in the copy; end it and all its processes at the end."""
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
    """Return the processes that run in the copy or from it: pid → command line."""
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
    """Return what the demo prints until it is ready; supervisord itself prints nothing."""
    assert process.stdout is not None
    said = ""
    while "Ctrl-C ends it" not in said:
        line = process.stdout.readline()
        assert line, f"ended before it was ready:\n{said}"
        said += line
    return said


def test_the_demo_shows_letters_ends_all_its_processes_and_keeps_its_items(
    project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    port = free_port()
    how = {"PORT": str(port), "TUBEPOST_TOKEN": TOKEN, "TUBEPOST_SERVERS": "1", "TUBEPOST_DEMO__RATE": "600"}
    demo = start(sys.executable, "run.py", "demo", **how)
    said = until_welcomed(demo)
    assert f"http://127.0.0.1:{port}/login?token={TOKEN}" in said
    assert "Letters arrive in its demo mailbox" in said
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

    said = until_welcomed(start(sys.executable, "run.py", "demo", **{**how, "TUBEPOST_DEMO__RATE": "0"}))
    assert "No letters arrive, since demo.rate is 0." in said
    assert {str(fetch(port, f"/api/workitems/{item}")["id"]) for item in before} == before


def test_supervisord_starts_as_many_workers_as_are_set_and_nothing_of_the_demo(
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
    ("environment", "message"),
    [
        ({"PORT": "many"}, "PORT: a number from 1 to 65535 is accepted, found 'many'"),
        ({"TUBEPOST_SERVERS": "none"}, "TUBEPOST_SERVERS"),
        ({"TUBEPOST_DEMO__RAET": "1"}, "did you mean rate?"),
    ],
)
def test_a_wrong_setting_stops_the_demo_with_one_sentence(
    start: Callable[..., subprocess.Popen[str]], environment: dict[str, str], message: str
) -> None:
    demo = start(sys.executable, "run.py", "demo", **{"PORT": str(free_port()), **environment})
    said, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 2
    assert message in said
    assert "Traceback" not in said


def _answers(port: int) -> bool:
    try:
        return fetch(port, "/readyz")["status"] == "ready"
    except OSError:
        return False


def test_the_demo_plays_a_script_prints_its_steps_and_sends_no_letters(
    project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    port = free_port()
    (project / "a script.txt").write_text("streams 1\nitems 2\nwait 0.1\nrepeat\n")
    how = {"PORT": str(port), "TUBEPOST_TOKEN": TOKEN, "TUBEPOST_SERVERS": "3"}
    demo = start(sys.executable, "run.py", "demo", "--script", "a script.txt", **how)
    welcome = until_welcomed(demo)
    assert "It plays a script.txt: each step is printed here." in welcome
    assert "\n".join(family(project).values()).count("run.py demo-server") == 1
    request = urllib.request.Request(f"http://127.0.0.1:{port}/sse/workitems")
    request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request, timeout=PATIENCE) as stream:
        events = [json.loads(line[6:]) for line in _lines(stream, until=b'"Item 2 of the script"')]
    assert events[0]["event"] == "connected"
    assert {item["test"] for item in items(port)} == {True}, "no letter arrived"
    demo.send_signal(signal.SIGINT)
    assert demo.wait(PATIENCE) == 0
    assert demo.stdout is not None
    said = demo.stdout.read()
    assert "script: line 2: items 2\nscript: line 3: wait 0.1\nscript: line 1: streams 1\n" in said
    assert TOKEN not in said
    assert "listening" in (project / "var/server_00.log").read_text()
    assert family(project) == {}


def test_a_wrong_script_is_reported_line_by_line_and_nothing_starts(
    project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    (project / "s.txt").write_text("items 3\nrotat\nwait forever\n")
    demo = start(sys.executable, "run.py", "demo", "--script", "s.txt", PORT=str(free_port()))
    said, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 2
    assert "s.txt:2: 'rotat' is no step; did you mean rotate?\n" in said
    assert "s.txt:3: wait: seconds from 0.01 to 3600, found 'forever'\n" in said
    assert not (project / "var/demo").exists()


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        ("demo-server", "started by run.py demo --script FILE"),
        ("demo-mailbox", "demo-mailbox is started by run.py demo only"),
        ("demo-letters", "demo-letters is started by run.py demo only"),
    ],
)
def test_a_normal_installation_cannot_start_the_programs_of_the_demo(
    verb: str, message: str, project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    (project / "var/script.txt").write_text("items 3\n")
    program = start(sys.executable, "run.py", verb)
    said, _ = program.communicate(timeout=PATIENCE)
    assert program.returncode == 2
    assert message in said


def test_restarting_all_programs_of_a_normal_installation_starts_none_of_the_demo() -> None:
    conf = ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    conf.read(PROJECT / "supervisord.conf")
    programs = [name for name in conf.sections() if "program:" in name]
    assert programs == ["program:redis", "fcgi-program:server", "program:worker"]


def _lines(stream: IO[bytes], until: bytes) -> Iterator[bytes]:
    """Yield the data lines of a stream, up to the first one with *until*."""
    for line in stream:
        if line.startswith(b"data: "):
            yield line
        if until in line:
            return

"""One supervisord owns a data folder, and its programs end with it."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.demo.test_launch import PATIENCE, TOKEN, eventually, family, fetch, items, project, start, until_welcomed
from tests.support.exposition import parse_exposition, values
from tests.support.program import free_port

__all__ = ["project", "start"]

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def port(project: Path) -> int:
    """Return the port of an installation with test items, two servers and one worker."""
    port = free_port()
    conf = project / "supervisord.conf"
    conf.write_text(conf.read_text().replace("127.0.0.1:8888", f"127.0.0.1:{port}"))
    (project / "tubepost.toml").write_text(f'token = "{TOKEN}"\n[server]\ntest_items = true\n')
    return port


def start_supervisord(project: Path, start: Start) -> subprocess.Popen[str]:
    return start(str(project / ".venv/bin/supervisord"), "-c", "supervisord.conf")


def programs(project: Path, *words: str) -> list[int]:
    """Return the ids of the project's processes whose command line has all *words*."""
    return [pid for pid, command in family(project).items() if all(word in command for word in words)]


def all_running(project: Path, port: int) -> bool:
    with contextlib.suppress(OSError):
        status = fetch(port, "/readyz")["status"]
        found = [len(programs(project, word)) for word in ("run.py server", "run.py worker", "valkey-server")]
        return (status, found) == ("ready", [2, 1, 1])
    return False


def post_item(port: int) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/test/workitem",
        data=b"{}",
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()


def supervisorctl(project: Path, *words: str) -> str:
    command = [str(project / ".venv/bin/supervisorctl"), "-c", "supervisord.conf", *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=PATIENCE, check=False).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process whose parent ended")
def test_all_programs_end_with_a_killed_supervisord_and_an_immediate_restart_loses_nothing(
    project: Path, start: Start, port: int
) -> None:
    supervisord = start_supervisord(project, start)
    eventually(lambda: all_running(project, port))
    for _ in range(20):
        post_item(port)
    supervisord.kill()
    supervisord.wait(PATIENCE)
    again = start_supervisord(project, start)  # at once, as a service manager does
    eventually(lambda: all_running(project, port))
    assert len(items(port)) == 20
    assert "Bad file format" not in (project / "var/redis.log").read_text(errors="replace")
    again.kill()
    again.wait(PATIENCE)
    eventually(lambda: family(project) == {})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process whose parent ended")
def test_programs_that_are_still_starting_end_with_their_supervisord(project: Path, start: Start, port: int) -> None:
    supervisord = start_supervisord(project, start)
    eventually(lambda: programs(project, "run.py"))
    supervisord.kill()
    eventually(lambda: family(project) == {})


def test_a_single_program_can_be_restarted(project: Path, start: Start, port: int) -> None:
    start_supervisord(project, start)
    eventually(lambda: all_running(project, port))
    before = set(family(project))
    for name in ("worker:worker_00", "server:server_01", "redis"):
        assert f"{name.rpartition(':')[2]}: started" in supervisorctl(project, "restart", name)
    eventually(lambda: all_running(project, port))
    assert len(set(family(project)) - before) >= 3
    assert "is in use by" not in "".join(path.read_text() for path in (project / "var").glob("*.log"))


def test_one_scrape_has_all_programs_under_their_names(project: Path, start: Start, port: int) -> None:
    start_supervisord(project, start)
    eventually(lambda: all_running(project, port))

    def names() -> set[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
            up = values(parse_exposition(answer.read().decode()), "tubepost_process_up")
        return {dict(labels)["process"] for labels, value in up.items() if value}

    eventually(lambda: names() == {"server_00", "server_01", "worker_00"})


def test_other_users_can_read_neither_the_data_folder_nor_the_logs(project: Path, start: Start, port: int) -> None:
    (project / "var").chmod(0o755)
    start_supervisord(project, start)
    eventually(lambda: all_running(project, port))
    assert stat.S_IMODE((project / "var").stat().st_mode) == 0o750
    logs = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (project / "var").glob("*.log")}
    assert logs == dict.fromkeys(
        ["redis.log", "server_00.log", "server_01.log", "supervisord.log", "worker_00.log"], 0o640
    )
    made = [path for path in (project / "var").rglob("*") if not path.is_symlink() and not path.is_socket()]
    assert len(made) > 10
    ours = [path for path in made if path.parent != project / "var"]
    assert not [path for path in ours if path.stat().st_mode & 0o027]


def test_a_program_that_somebody_ended_comes_back(project: Path, start: Start, port: int) -> None:
    start_supervisord(project, start)
    eventually(lambda: all_running(project, port))
    for word in ("run.py server", "run.py worker", "valkey-server"):
        ended = programs(project, word)
        for pid in ended:
            os.kill(pid, signal.SIGTERM)
        eventually(lambda ended=ended: not set(ended) & set(family(project)))  # type: ignore[misc]
        eventually(lambda: all_running(project, port))


def test_an_embedded_redis_that_is_not_needed_is_not_started_again(project: Path, start: Start) -> None:
    redis = start(sys.executable, "run.py", "redis", TUBEPOST_REDIS__URL="redis://127.0.0.1:1/0")
    assert "the embedded server is not needed" in redis.communicate(timeout=PATIENCE)[0]
    conf = ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    conf.read(project / "supervisord.conf")
    assert redis.returncode == conf.getint("program:redis", "exitcodes")


def test_a_demo_is_refused_with_the_pid_of_a_running_supervisord(project: Path, start: Start, port: int) -> None:
    supervisord = start_supervisord(project, start)
    eventually(lambda: all_running(project, port))
    demo = start(sys.executable, "run.py", "demo", PORT=str(free_port()))
    said = demo.communicate(timeout=PATIENCE)[0]
    assert demo.returncode == 2
    assert said.startswith("Tubepost: already runs from"), "no setting is wrong"
    assert f"`kill {supervisord.pid}`" in said


def test_a_second_supervisord_on_the_same_data_starts_nothing_and_names_the_first(
    project: Path, start: Start, port: int, tmp_path: Path
) -> None:
    first = start_supervisord(project, start)
    eventually(lambda: all_running(project, port))
    running = programs(project, "run.py") + programs(project, "valkey-server")
    other = tmp_path / "q"
    other.mkdir()
    (other / "var").mkdir()
    for name in ("run.py", "demo", "server", "worker", "workitems", ".venv"):
        (other / name).symlink_to(project / name)
    text = (project / "supervisord.conf").read_text()
    (other / "supervisord.conf").write_text(text.replace(f":{port}", f":{free_port()}"))
    (other / "tubepost.toml").write_text(f'token = "{TOKEN}"\ndata = "{project}/var"\n')
    second = start(str(other / ".venv/bin/supervisord"), "-c", str(other / "supervisord.conf"))
    for name in ("redis", "server_00", "worker_00"):
        log = other / "var" / f"{name}.log"
        eventually(lambda log=log: log.exists() and "is in use by" in log.read_text())  # type: ignore[misc]
        said = log.read_text()
        assert f"{project}/var is in use by" in said
        assert "run.py worker" in said
        assert f"`kill {first.pid}`" in said
    second.terminate()
    second.wait(PATIENCE)
    assert programs(project, "run.py") + programs(project, "valkey-server") == running


def test_a_second_redis_on_a_folder_is_refused(project: Path, start: Start) -> None:
    first = start(sys.executable, "run.py", "redis")
    eventually(lambda: (project / "var/redis.sock").exists())
    second = start(sys.executable, "run.py", "redis")
    said = second.communicate(timeout=PATIENCE)[0]
    assert second.returncode == 2
    assert f"{project}/var/redis is in use by pid {first.pid} (valkey-server unixsocket:" in said
    assert f"`kill {first.pid}`" in said
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE) == 0
    third = start(sys.executable, "run.py", "redis")
    eventually(lambda: (project / "var/redis.sock").exists())
    assert third.poll() is None


SUPERVISOR = """
import subprocess, sys
with open("log.txt", "wb") as log:
    subprocess.run([sys.executable, "run.py", "redis"], stdout=log, stderr=log)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process whose parent ended")
def test_redis_is_asked_to_end_when_its_supervisord_was_killed(project: Path, start: Start) -> None:
    supervisor = start(sys.executable, "-c", SUPERVISOR, SUPERVISOR_ENABLED="1")
    eventually(lambda: (project / "var/redis.sock").exists())
    supervisor.kill()
    eventually(lambda: "Received SIGTERM" in (project / "log.txt").read_text(errors="replace"))
    eventually(lambda: family(project) == {})
    assert "ready to exit" in (project / "log.txt").read_text(errors="replace")


def test_a_demo_reports_that_its_supervisord_was_killed_and_can_be_started_again(project: Path, start: Start) -> None:
    how = {"PORT": str(free_port()), "TUBEPOST_TOKEN": TOKEN, "TUBEPOST_SERVERS": "1"}
    demo = start(sys.executable, "run.py", "demo", **how)
    until_welcomed(demo)
    os.kill(int((project / "var/supervisord.pid").read_text()), signal.SIGKILL)
    assert "supervisord was ended by signal 9" in demo.communicate(timeout=PATIENCE)[0]
    until_welcomed(start(sys.executable, "run.py", "demo", **how))

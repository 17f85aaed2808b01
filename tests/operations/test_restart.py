"""`run.py restart`: a rolling restart of a whole installation under load, through nginx; and when it must refuse.

Its promise does not depend on the machine's speed: at every moment one server accepts clients, and none is refused.
"""

import asyncio
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.demo.test_launch import eventually, family
from tests.faults.checker import Verdict
from tests.faults.conftest import TOKEN
from tests.faults.delivery import MARKS, Delivery
from tests.support.nginx import Nginx
from tests.support.program import free_port
from tests.support.redis_server import RedisServer
from worker.commands.restart import restart
from worker.commands.supervisord import Supervisord
from workitems.settings.load import load_settings

Start = Callable[..., subprocess.Popen[str]]

#: Seconds for a restart of all processes on a busy machine.
PATIENCE = 300.0

#: Seconds after which a process that hangs at its end is killed in a test: an orderly end takes less.
HANGING = 15.0

#: Threads that post mail, and threads that read the list; and seconds between two requests of one.
POSTING, READING, PAUSE = 3, 3, 0.05

pytestmark = MARKS


@pytest.fixture
def port(project: Path, own_redis: RedisServer, start: Start) -> int:
    """The port of an installation with two server processes and a worker."""
    return install(project, settings(own_redis), start)


def install(project: Path, text: str, start: Start) -> int:
    """Start all processes of *project* with the settings in *text*. Return the port when all are ready."""
    port = free_port()
    conf = project / "supervisord.conf"
    conf.write_text(conf.read_text().replace("127.0.0.1:8888", f"127.0.0.1:{port}"))
    (project / "tubepost.toml").write_text(text)
    start(str(project / ".venv/bin/supervisord"), "-c", str(conf))
    eventually(lambda: is_ready(port))
    eventually(lambda: "event=started" in log(project, "worker_00"))
    eventually(lambda: all("event=listening" in log(project, f"server_0{n}") for n in (0, 1)))
    return port


def settings(redis: RedisServer) -> str:
    streams = "drain_seconds = 2\nopens_per_second = 100000\nheartbeat_seconds = 5\n"
    return f'token = "{TOKEN}"\n[redis]\nurl = "{redis.url}"\n[stream]\n{streams}'


def log(project: Path, name: str) -> str:
    path = project / "var" / f"{name}.log"
    return path.read_text() if path.exists() else ""


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        return request(connection, "GET", "/readyz")[0] == 200
    return False


def request(connection: http.client.HTTPConnection, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Content-Type": "message/rfc822"} if body else {})
    connection.request(method, path, body or None, headers)
    response = connection.getresponse()
    return response.status, response.read()


def pids(project: Path, word: str) -> set[int]:
    return {pid for pid, command in family(project).items() if f"run.py {word}" in command}


def pid_of(project: Path, name: str) -> int:
    return Supervisord(project / "var" / "supervisor.sock").process(name).pid


def fewest_accepting(project: Path) -> int:
    """Return how many servers accepted clients at the worst moment since all did first, by the times in their logs.

    A server logs `listening` once it accepts, and `stopping` before it stops to.
    """
    text = "".join(log(project, f"server_0{n}") for n in (0, 1))
    lines = re.findall(r"^timestamp=(\S+) .*event=(listening|stopping)\b", text, re.MULTILINE)
    in_time = sorted(lines, key=lambda line: datetime.fromisoformat(line[0]))
    changes = [1 if event == "listening" else -1 for _, event in in_time]
    assert changes[:2] == [1, 1], "both accepted clients first"
    return min(sum(changes[:count]) for count in range(2, len(changes) + 1))


class Load:
    """Clients that keep their connection to *port*: some post mail, some read the list."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.accepted: list[str] = []
        self.errors: list[str] = []
        #: When the last request was answered, and the longest time without an answer.
        self.answered, self.gap = time.monotonic(), 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(POSTING + READING)]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(PATIENCE)

    def _run(self, number: int) -> None:
        connection, n = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60), 0
        while not self._stop.wait(PAUSE):
            n += 1
            try:
                if number < POSTING:
                    mail = f"Message-ID: <{number}.{n}@example.com>\r\nSubject: mail {number} {n}\r\n\r\nHello\r\n"
                    self._note(*request(connection, "POST", "/api/email/intake", mail.encode()), wanted=202)
                else:
                    self._note(*request(connection, "GET", "/api/workitems?limit=5"), wanted=200)
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
                connection.close()
        connection.close()

    def _note(self, status: int, body: bytes, *, wanted: int) -> None:
        with self._lock:
            now = time.monotonic()
            self.answered, self.gap = now, max(self.gap, now - self.answered)
            if status != wanted:
                self.errors.append(f"{status} {body[:200]!r}")
            elif status == 202:
                self.accepted.append(json.loads(body)["workitem_id"])


async def run_restart(project: Path, **environment: str) -> tuple[int, str]:
    return await run(project, sys.executable, "run.py", "restart", **environment)


async def supervisorctl(project: Path, *words: str) -> None:
    status, said = await run(project, str(project / ".venv/bin/supervisorctl"), "-c", "supervisord.conf", *words)
    assert status == 0, said


async def run(project: Path, *command: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=project,
        env={"PATH": os.environ["PATH"], "HOME": str(project), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.timeout(seconds=2 * PATIENCE)
async def test_a_rolling_restart_behind_nginx_refuses_and_loses_nothing(
    project: Path, port: int, own_redis: RedisServer, tmp_path: Path
) -> None:
    servers, workers = pids(project, "server"), pids(project, "worker")
    with Nginx(tmp_path, port, keepalive=True) as nginx:
        load = Load(nginx.port)
        async with Delivery(nginx.port, own_redis.url, plain=True) as delivery:
            with load.running():
                async with delivery.publisher.busy():
                    status, said = await run_restart(project)
            connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=60)
            for item in load.accepted:
                while request(connection, "GET", f"/api/workitems/{item}")[0] == 202:
                    await asyncio.sleep(0.05)
                assert request(connection, "GET", f"/api/workitems/{item}")[0] == 200
            connection.close()
            measured = await delivery.check("run.py restart behind nginx, with mail and lists")
    print(f"{said}{len(load.accepted)} mails; longest time without an answer {load.gap:.2f} s")  # noqa: T201
    assert status == 0
    ready = [line.split(": ")[0] for line in said.splitlines() if "ready again" in line]
    assert ready == ["server:server_00", "server:server_01", "worker:worker_00"]
    assert not servers & pids(project, "server")
    assert not workers & pids(project, "worker")
    assert fewest_accepting(project) >= 1
    assert load.errors == []
    assert len(load.accepted) > 50, "for this test to mean anything"
    assert measured.verdict == Verdict(received=measured.clients * measured.events)
    assert measured.refused == 0
    assert measured.resets == 0


@pytest.mark.timeout(seconds=2 * PATIENCE)
async def test_a_restart_that_would_leave_no_server_ready_is_refused_and_says_why(
    project: Path, port: int, own_redis: RedisServer
) -> None:
    await supervisorctl(project, "stop", "server:server_01")
    (before,) = pids(project, "server")
    status, said = await run_restart(project)
    assert status == 2
    assert "server:server_01: left alone, since it was stopped by supervisorctl" in said
    assert "server:server_00 cannot be replaced, since no other server is ready: server:server_01 is STOPPED" in said
    assert pids(project, "server") == {before}

    await supervisorctl(project, "start", "server:server_01")
    eventually(lambda: log(project, "server_01").count("event=listening") == 2)
    other = pid_of(project, "server:server_01")
    wrong = settings(own_redis).replace("heartbeat_seconds = 5", "heartbeat_seconds = 0")
    (project / "tubepost.toml").write_text(wrong)
    status, said = await run_restart(project, TUBEPOST_STREAM__HEARTBEAT_SECONDS="5")
    assert status == 1
    assert "server:server_00: not ready" in said
    assert f"see {project}/var/server_00.log" in said
    assert pid_of(project, "server:server_01") == other, "it was not touched"
    assert is_ready(port)


@pytest.mark.timeout(seconds=2 * PATIENCE)
async def test_a_server_that_hangs_at_its_end_is_killed_and_the_restart_continues(project: Path, port: int) -> None:
    servers, workers = pids(project, "server"), pids(project, "worker")
    hanging = pid_of(project, "server:server_00")
    os.kill(hanging, signal.SIGSTOP)
    said: list[str] = []
    chosen = load_settings({}, file=project / "tubepost.toml")
    assert await restart(chosen, project, say=said.append, most=HANGING)
    first = [line for line in said if line.startswith("server:server_00")]
    assert first[:2] == [
        f"server:server_00: ending pid {hanging}",
        f"server:server_00: pid {hanging} did not end within {HANGING:.0f} s and is killed; "
        f"see {project}/var/server_00.log",
    ]
    assert [line.split(": ")[0] for line in said if "ready again" in line] == [
        "server:server_00", "server:server_01", "worker:worker_00",
    ]  # fmt: skip
    assert "server_00 (terminated by SIGKILL" in log(project, "supervisord")
    assert not servers & pids(project, "server")
    assert not workers & pids(project, "worker")
    assert is_ready(port)


@pytest.mark.timeout(seconds=2 * PATIENCE)
async def test_a_restart_looks_only_at_the_processes_of_its_own_host(
    project: Path, own_redis: RedisServer, start: Start
) -> None:
    other = project.with_name("other")
    shutil.copytree(project, other, symlinks=True)
    (project / "var" / "mail").mkdir()
    (other / "var" / "mail").symlink_to(project / "var" / "mail")
    install(project, f'host_name = "alpha"\n{settings(own_redis)}', start)
    port = install(other, f'host_name = "beta"\n{settings(own_redis)}', start)
    theirs = pids(other, "server") | pids(other, "worker")
    assert len(theirs) == 3

    await supervisorctl(project, "stop", "server:server_01")
    status, said = await run_restart(project)
    assert status == 2, "the servers of the other host do not count"
    assert "no other server is ready: server:server_01 is STOPPED" in said
    await supervisorctl(project, "start", "server:server_01")
    eventually(lambda: log(project, "server_01").count("event=listening") == 2)
    status, said = await run_restart(project)
    assert (status, said.count("ready again")) == (0, 3)
    assert pids(other, "server") | pids(other, "worker") == theirs
    assert is_ready(port)


async def test_without_a_supervisord_a_restart_says_how_to_start_it(project: Path) -> None:
    status, said = await run_restart(project)
    assert status == 2
    assert "no supervisord answers at var/supervisor.sock" in said
    assert "Start it: .venv/bin/supervisord -c supervisord.conf" in said

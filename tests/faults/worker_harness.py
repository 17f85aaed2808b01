"""A Dovecot, a Redis and one worker process for a test, which may kill each of them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from redis import Redis

from tests.support.dovecot import Dovecot
from tests.support.feed_entries import feed_entries
from tests.support.redis_server import RedisServer
from workitems.base import keys

PROJECT = Path(__file__).resolve().parents[2]

#: Seconds for anything that a test waits for.
PATIENCE = 90.0

#: The worker program: as `run.py worker`, with reading functions that the test names.
PROGRAM = """
import sys
from worker.main import ChildFunctions, run
from workitems.settings.load import load_settings
run(load_settings(), ChildFunctions(*sys.argv[1:]))
"""


class WorkerHarness:
    """All files are below *folder*; `close` ends all programs."""

    def __init__(self, folder: Path, *, start: str = "all", settings: str = "", program: str = PROGRAM) -> None:
        self.folder = folder
        self._program = program
        _open_parents(folder)
        self.dovecot = Dovecot(folder / "dovecot")
        self.redis_server = RedisServer()
        self.log = folder / "worker.log"
        self.worker: subprocess.Popen[bytes] | None = None
        self._settings = settings
        self._start = start

    def open(self) -> "WorkerHarness":
        self.dovecot.start()
        self.redis_server.start()
        return self

    def close(self) -> None:
        self.kill_worker()
        self.dovecot.stop(kill=True)
        self.redis_server.stop()

    @property
    def config(self) -> Path:
        path = self.folder / "tubepost.toml"
        path.write_text(f"""
data = "{self.folder}/var"
log = "debug"
[redis]
url = "{self.redis_server.url}"
[mailboxes.desk]
host = "127.0.0.1"
port = {self.dovecot.port}
tls = "none"
user = "{self.dovecot.user}"
password = "{self.dovecot.password}"
start = "{self._start}"
poll_seconds = 1
{self._settings}
""")
        return path

    # --- the worker -------------------------------------------------------------------------------------------------

    def start_worker(self, *functions: str, failpoint: str = "") -> None:
        """Start a worker. *functions*: the one that reads mails, and the one for headers. *failpoint*: `name:times`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TUBEPOST_")}
        environment |= {"TUBEPOST_CONFIG": str(self.config), "PYTHONPATH": str(PROJECT)}
        if failpoint:
            environment["TUBEPOST_FAILPOINT"] = failpoint
        command = [sys.executable, "-c", self._program, *functions]
        with self.log.open("ab") as log:
            self.worker = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def kill_worker(self) -> None:
        """Kill the worker, as a power cut does."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait(PATIENCE)

    # --- the results ------------------------------------------------------------------------------------------------

    def redis(self) -> Any:
        return Redis.from_url(self.redis_server.url, protocol=2)

    def items(self) -> dict[str, dict[str, Any]]:
        """Return item id → machine part."""
        with self.redis() as client:
            ids = [each.decode() for each in client.zrange(keys.items(), 0, -1)]
            return {each: json.loads(client.hget(keys.item(each), "machine")) for each in ids}

    def events(self) -> list[tuple[str, str, int]]:
        """Return kind, item id and time in milliseconds of every event of the feed, in order."""
        with self.redis() as client:
            found = [(json.loads(event), fields[b"at"]) for _, event, fields in feed_entries(client)]
        return [(each["event"], each["data"]["id"], int(at)) for each, at in found]

    def waiting(self) -> int:
        with self.redis() as client:
            return int(client.xlen(keys.INTAKE))

    def checkpoint(self) -> int:
        with self.redis() as client:
            return int(client.hget(keys.mailbox("desk"), "uid") or 0)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until *condition* holds. A failure shows the ends of the logs."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                logs = f"{self.log.read_text()[-3000:]}\n{self.dovecot.log()[-1000:]}"
                raise AssertionError(f"{what}: did not happen within {PATIENCE:g} s\n{logs}")
            time.sleep(0.02)

    def until_read(self, ids: Iterable[str]) -> None:
        """Wait until exactly *ids* are items and no mail waits."""
        expected = set(ids)
        with self.redis() as client:
            self.until(
                lambda: client.zcard(keys.items()) >= len(expected) and client.xlen(keys.INTAKE) == 0,
                "all mail is read",
            )
        assert set(self.items()) == expected


def make_mail(n: int, *, text: str = "Policy Number: AB-12345", headers: str = "") -> bytes:
    """Make an ordinary mail, a different one for each *n*."""
    return (
        f"Message-ID: <{n}@sender.example>\r\nDate: Mon, 2 Mar 2026 10:{n % 60:02}:00 +0000\r\n"
        f"From: Ann Sender <ann@sender.example>\r\nTo: desk@example.com\r\nSubject: Letter {n}\r\n"
        f"{headers}\r\n{text}\r\n"
    ).encode()


def _open_parents(path: Path) -> None:
    """Give Dovecot, which runs as `nobody`, access to every folder above its own."""
    for folder in (path, *path.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
        if folder.name.startswith("pytest-of"):
            break

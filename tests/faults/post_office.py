"""A whole intake side for a test: a Dovecot, a Redis and one worker process, each of which may be killed."""

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
from tests.support.redis_server import RedisServer
from workitems import keys

PROJECT = Path(__file__).resolve().parents[2]

#: Seconds in which anything that a test waits for must happen.
PATIENCE = 90.0

#: The program: as `run.py worker`, with the functions that read mail named by the test.
PROGRAM = """
import sys
from worker.main import Functions, run
from workitems.configuration import load
run(load(), Functions(*sys.argv[1:]))
"""


class PostOffice:
    """Everything lies below *place*; `close` ends it all."""

    def __init__(self, place: Path, *, start: str = "all", settings: str = "") -> None:
        self.place = place
        _let_through(place)
        self.dovecot = Dovecot(place / "dovecot")
        self.redis_server = RedisServer()
        self.log = place / "worker.log"
        self.worker: subprocess.Popen[bytes] | None = None
        self._settings = settings
        self._start = start

    def open(self) -> "PostOffice":
        self.dovecot.start()
        self.redis_server.start()
        return self

    def close(self) -> None:
        self.kill_worker()
        self.dovecot.stop(kill=True)
        self.redis_server.stop()

    @property
    def config(self) -> Path:
        path = self.place / "tubepost.toml"
        path.write_text(f"""
data = "{self.place}/var"
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
poll = 1
{self._settings}
""")
        return path

    # --- the worker -------------------------------------------------------------------------------------------------

    def start_worker(self, *functions: str, failpoint: str = "") -> None:
        """*functions*: what reads mails, and what reads headers alone. *failpoint*: `name:times`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TUBEPOST_")}
        environment |= {"TUBEPOST_CONFIG": str(self.config), "PYTHONPATH": str(PROJECT)}
        if failpoint:
            environment["TUBEPOST_FAILPOINT"] = failpoint
        with self.log.open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *functions], cwd=self.place, env=environment, stdout=log, stderr=log
            )

    def kill_worker(self) -> None:
        """As a power cut."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait(PATIENCE)

    # --- what came of it --------------------------------------------------------------------------------------------

    def redis(self) -> Any:
        return Redis.from_url(self.redis_server.url, protocol=2)

    def items(self) -> dict[str, dict[str, Any]]:
        """Item id → machine part."""
        with self.redis() as client:
            ids = [each.decode() for each in client.zrange(keys.items(), 0, -1)]
            return {each: json.loads(client.hget(keys.item(each), "machine")) for each in ids}

    def events(self) -> list[tuple[str, str, int]]:
        """Kind, item id and time in milliseconds of every event of the feed, in order."""
        with self.redis() as client:
            found = [(json.loads(fields[b"data"]), fields[b"at"]) for _, fields in client.xrange(keys.FEED)]
        return [(each["event"], each["data"]["id"], int(at)) for each, at in found]

    def waiting(self) -> int:
        with self.redis() as client:
            return int(client.xlen(keys.INTAKE))

    def checkpoint(self) -> int:
        with self.redis() as client:
            return int(client.hget(keys.mailbox("desk"), "uid") or 0)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until *condition* holds; a failure shows the ends of the logs."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                logs = f"{self.log.read_text()[-3000:]}\n{self.dovecot.log()[-1000:]}"
                raise AssertionError(f"{what}: not within {PATIENCE:g} s\n{logs}")
            time.sleep(0.02)

    def until_read(self, ids: Iterable[str]) -> None:
        """Wait until exactly *ids* are items and nothing waits any more."""
        wanted = set(ids)
        with self.redis() as client:
            self.until(
                lambda: client.zcard(keys.items()) >= len(wanted) and client.xlen(keys.INTAKE) == 0, "all mail is read"
            )
        assert set(self.items()) == wanted


def letter(n: int, *, text: str = "Policy Number: AB-12345", headers: str = "") -> bytes:
    """An ordinary mail, another one for every *n*."""
    return (
        f"Message-ID: <{n}@sender.example>\r\nDate: Mon, 2 Mar 2026 10:{n % 60:02}:00 +0000\r\n"
        f"From: Ann Sender <ann@sender.example>\r\nTo: desk@example.com\r\nSubject: Letter {n}\r\n"
        f"{headers}\r\n{text}\r\n"
    ).encode()


def _let_through(place: Path) -> None:
    """Dovecot runs as nobody: every folder above its own must let it pass."""
    for folder in (place, *place.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
        if folder.name.startswith("pytest-of"):
            break

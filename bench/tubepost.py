"""Tubepost as it runs: a Redis that syncs every write, one server process, and a worker if mail is read."""

import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis

from bench.machine import OTHER_CORE, SERVER_CORE, family, is_confined, pin
from server.main import BACKLOG
from tests.support.program import Program
from tests.support.redis_server import RedisServer
from worker.main import SPARE_CHILDREN
from workitems.base import keys
from workitems.mailboxes.checkpoint import WATCHING
from workitems.settings.intake_and_workers import WorkerSettings

TOKEN = "a-token-for-figures"
HEADER = f"Authorization: Bearer {TOKEN}"
STREAM = "/sse/workitems"

#: Children of a worker with default settings: those that read, and the spare ones.
CHILDREN = WorkerSettings().reading_children + SPARE_CHILDREN

#: Seconds for a program to log what we wait for.
_TIMEOUT = 60.0

_SETTINGS = """
data = "{place}/var"
token = "{token}"
redis.url = "{redis}"
server.test_items = true
stream.max_streams = 20000
stream.max_streams_per_user = 20000
stream.max_streams_per_address = 20000
stream.opens_per_second = 100000
stream.drain_seconds = 0
{more}
"""


class Tubepost:
    """Runs as long as the `with` block. *pinned*: the server has one core alone, everything else the other.

    With several *processes* of the server, which share one socket, `server` is the first.
    """

    def __init__(self, place: Path, *, settings: str = "", pinned: bool = True, processes: int = 1) -> None:
        self.redis = RedisServer()
        self._pinned = pinned
        self._settings = _SETTINGS.format(place=place, token=TOKEN, redis=self.redis.url, more=settings)
        self._place = place
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.servers = [Program("server", place, self._settings, listening=self._listening) for _ in range(processes)]
        self.server = self.servers[0]
        self.worker: Program | None = None

    def __enter__(self) -> Self:
        try:
            self.redis.start()
            for server in self.servers:
                server.start()
            if self._pinned:
                pin(self.pid, SERVER_CORE)
                pin(self.redis_pid, OTHER_CORE)
            self.until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        for program in (self.worker, *self.servers):
            if program is not None:
                program.stop()
        self._listening.close()
        self.redis.stop()

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def pid(self) -> int:
        return self.server.pid

    @property
    def pids(self) -> list[int]:
        """The ids of all server processes."""
        return [server.pid for server in self.servers]

    def until_ready(self) -> None:
        """Wait until every server process can open streams. They share one log."""
        deadline = time.monotonic() + _TIMEOUT
        while self.server.log.read_text().count('event="Redis answers"') < len(self.servers):
            if time.monotonic() > deadline or any(server.ended for server in self.servers):
                raise RuntimeError(f"the servers did not come up:\n{self.server.log.read_text()[-2000:]}")
            time.sleep(0.01)
        self.server.ready()

    @property
    def redis_pid(self) -> int:
        assert self.redis.process is not None
        return self.redis.process.pid

    def start_worker(self, *, until: str) -> None:
        """Start a worker, and wait until its log has *until*."""
        self.worker = Program("worker", self._place, self._settings).start()
        deadline = time.monotonic() + _TIMEOUT
        while until not in self.worker.log.read_text():
            assert self.worker.process is not None
            if self.worker.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the worker did not log {until!r}:\n{self.worker_log()}")
            time.sleep(0.01)

    def until_watched(self, mailbox: str, seconds: float = _TIMEOUT) -> None:
        """Wait until the worker watches *mailbox*."""
        deadline = time.monotonic() + seconds
        with Redis.from_url(self.redis.url) as redis:
            while redis.hget(keys.mailbox(mailbox), "state") != WATCHING.encode():
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{mailbox} was not watched in time:\n{self.worker_log()}")
                time.sleep(0.01)

    def until_warm(self, children: int = CHILDREN) -> None:
        """Wait until all reading children have started: a start takes as long as a thousand mails."""
        deadline = time.monotonic() + _TIMEOUT
        while sum(map(is_confined, self.worker_pids[1:])) < children:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the reading children did not start in time:\n{self.worker_log()}")
            time.sleep(0.01)

    @property
    def worker_pids(self) -> list[int]:
        """The ids of the worker and of its reading children."""
        assert self.worker is not None
        assert self.worker.process is not None
        return family(self.worker.process.pid)

    def worker_log(self) -> str:
        """Return the end of its log."""
        return self.worker.log.read_text()[-2000:] if self.worker else ""

"""Real processes that a test kills: each test has its own Redis, folder and ports."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.main import BACKLOG
from tests.support.program import Program
from tests.support.redis_server import RedisServer

TOKEN = "a-token-for-faults"


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that this test may kill."""
    server = RedisServer().start()
    yield server
    server.stop()


@pytest.fixture
def start_server(tmp_path: Path, own_redis: RedisServer) -> Iterator[Callable[..., Program]]:
    """Start server processes on `own_redis`; they are stopped after the test."""
    started: list[Program] = []

    def start(more: str = "", listening: socket.socket | None = None, until: str = "event=listening") -> Program:
        folder = tmp_path / f"server-{len(started)}"
        folder.mkdir()
        settings = f"""
data = "{tmp_path / "var"}"
token = "{TOKEN}"
[redis]
url = "{own_redis.url}"
timeout_seconds = 2
[server]
test_items = true
{more or "[stream]"}
"""
        program = Program("server", folder, settings, listening=listening).start()
        started.append(program)
        return program.until_logged(until) if listening else program.ready()

    yield start
    for program in started:
        program.stop()


@pytest.fixture
def shared() -> Iterator[socket.socket]:
    """A socket that several server processes share, as under supervisord."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listening:
        yield listening

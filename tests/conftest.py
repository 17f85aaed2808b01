"""Fixtures for all tests: a real Redis, which is empty for each test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from redis import Redis
from tornado.ioloop import IOLoop

from tests.support.redis_server import RedisServer
from tests.support.reports import pytest_runtest_makereport
from tests.support.selection import pytest_collection_modifyitems
from workitems.base.redis import RedisClient, connect

#: No test depends on how fast the machine is, or on chance: the same examples each time. `make fuzz` looks for others.
settings.register_profile(
    "any machine", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "search", settings.get_profile("any machine"), derandomize=False, print_blob=True, max_examples=2_000
)
settings.load_profile("any machine")

__all__ = ["pytest_collection_modifyitems", "pytest_runtest_makereport"]


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo the log settings of a test at its end: loggers would keep the level that the first test set."""
    configure = structlog.configure
    monkeypatch.setattr(structlog, "configure", lambda **how: configure(**how | {"cache_logger_on_first_use": False}))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for all tests of a process; a test that kills its server makes its own."""
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
def make_redis(redis_url: str, io_loop: IOLoop) -> Iterator[Callable[..., RedisClient]]:
    """Make clients on the loop of the test, and close them at its end."""
    made: list[Any] = []

    def make(*, blocking: bool = False) -> RedisClient:
        made.append(connect(redis_url, blocking=blocking))
        return made[-1]

    yield make
    for client in made:
        io_loop.run_sync(client.aclose)


@pytest.fixture
def redis(make_redis: Callable[..., RedisClient]) -> RedisClient:
    """A client of an empty Redis."""
    return make_redis()

"""Real servers for the tests of worker.imap: one Dovecot and one pymap for each test process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dovecot import Dovecot
from tests.support.pymap_server import PymapServer


@pytest.fixture(scope="session")
def dovecot_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    users = {f"desk{n}": "secret" for n in range(200)} | {"dom ain": 'p"a\\ s', "bücher": "größe"}
    server = Dovecot(tmp_path_factory.mktemp("dovecot") / "server", users=users)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_dovecot(tmp_path: Path) -> Iterator[Dovecot]:
    """A Dovecot that a test may kill."""
    server = Dovecot(tmp_path / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _users() -> Iterator[str]:
    return (f"desk{n}" for n in range(200))


@pytest.fixture
def desk(_users: Iterator[str]) -> str:
    """A user of Dovecot whose mailbox no other test has seen."""
    return next(_users)


@pytest.fixture(scope="session")
def pymap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PymapServer]:
    server = PymapServer(tmp_path_factory.mktemp("pymap"))
    server.start()
    yield server
    server.stop()

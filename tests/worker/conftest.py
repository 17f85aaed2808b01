"""What the tests of poller, reader and main need: a Dovecot with a fresh mailbox, the intake, moody servers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.dovecot import Dovecot
from tests.worker.desk import Desk, let_through
from workitems.intake import Intake
from workitems.mailstore import MailStore
from workitems.redis import Client


@pytest.fixture(scope="session")
def post_dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """One Dovecot for all tests of a process; each takes a user of its own."""
    place = let_through(tmp_path_factory.mktemp("post"))
    server = Dovecot(place / "server", users={f"post{n}": "secret" for n in range(200)})
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _fresh_users() -> Iterator[str]:
    return (f"post{n}" for n in range(200))


@pytest.fixture
def mailstore(tmp_path: Path) -> Iterator[MailStore]:
    store = MailStore(tmp_path / "mail")
    yield store
    store.close()


@pytest.fixture
def intake(redis: Client, mailstore: MailStore) -> Intake:
    return Intake(redis, mailstore, most=1000)


@pytest.fixture
def make_desk(post_dovecot: Dovecot, _fresh_users: Iterator[str], redis: Client, intake: Intake) -> Callable[..., Desk]:
    """Makes pollers of one fresh mailbox; `intake=` and settings of `Watch` may be given."""
    user = next(_fresh_users)
    return lambda **settings: Desk(post_dovecot, user, redis, settings.pop("intake", intake), settings)

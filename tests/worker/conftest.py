"""Fixtures of the worker's tests: a Dovecot with a fresh mailbox, the mail store, and the intake."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.dovecot import Dovecot
from tests.worker.polled_mailbox import PolledMailbox, open_parents
from workitems.base.redis import RedisClient
from workitems.intake.put import Intake
from workitems.mailstore.store import MailStore


@pytest.fixture(scope="session")
def post_dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """One Dovecot for all tests of a process; each test uses its own user."""
    folder = open_parents(tmp_path_factory.mktemp("post"))
    server = Dovecot(folder / "server", users={f"post{n}": "secret" for n in range(200)})
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
def intake(redis: RedisClient, mailstore: MailStore) -> Intake:
    return Intake(redis, mailstore, max_waiting=1000)


@pytest.fixture
def make_mailbox(
    post_dovecot: Dovecot, _fresh_users: Iterator[str], redis: RedisClient, intake: Intake
) -> Callable[..., PolledMailbox]:
    """Make pollers of one fresh mailbox, with `intake=` and settings of `WatchedFolder`."""
    user = next(_fresh_users)
    return lambda **settings: PolledMailbox(post_dovecot, user, redis, settings.pop("intake", intake), settings)

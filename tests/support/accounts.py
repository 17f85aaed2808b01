"""Users and keys for a test, with a mail store of their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from argon2 import PasswordHasher

from workitems.base.redis import RedisClient
from workitems.mailstore.store import MailStore
from workitems.people.accounts import Accounts
from workitems.recovery.durable_state import DurableState

#: argon2 with next to no cost.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@contextmanager
def opened_accounts(
    redis: RedisClient, data: Path, *, hasher: PasswordHasher = QUICK, clock: Callable[[], float] | None = None
) -> Iterator[Accounts]:
    """Open the users and keys below the folder *data*, as a new process does."""
    (data / "mail" / ".tubepost").mkdir(mode=0o700, parents=True, exist_ok=True)
    mailstore = MailStore(data / "mail")
    state = DurableState(redis, mailstore, max_events=1000)
    accounts = state.open_accounts(hasher=hasher, **{"clock": clock} if clock else {})
    yield accounts
    accounts.close()
    mailstore.close()

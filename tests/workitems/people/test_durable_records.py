"""Users and keys survive a loss of Redis; when Redis and the files differ, the newer one counts."""

import asyncio
import json
import os
import resource
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from tests.support.accounts import QUICK, opened_accounts
from tests.support.redis_server import RedisServer
from workitems.base import keys
from workitems.base.errors import MailStoreUnavailableError, StoreUnavailableError
from workitems.base.redis import RedisClient, connect
from workitems.base.threads import Threads
from workitems.mailstore.store import MailStore
from workitems.people import durable_records
from workitems.people.accounts import Accounts
from workitems.people.durable_records import RETRY_SECONDS, DurableRecords
from workitems.people.record_file import Copy, choose
from workitems.recovery.durable_state import DurableState

Open = Callable[[], Accounts]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(redis: RedisClient, tmp_path: Path, clock: Clock) -> Iterator[Open]:
    """Open the users and keys again, as another process does."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(opened_accounts(redis, tmp_path, clock=clock))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mail" / ".tubepost"


async def names(accounts: Accounts) -> list[str]:
    return [user.name for user in await accounts.list_users()]


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob("*.part"))


# --- the rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hashed", "stored", "chosen"),
    [
        (Copy(0, {}), Copy(0, {}), Copy(0, {})),
        (Copy(0, {}), Copy(3, {"a": "1"}), Copy(3, {"a": "1"})),
        (Copy(2, {"a": "1", "b": "1"}), Copy(3, {"a": "1"}), Copy(3, {"a": "1"})),
        (Copy(3, {"a": "1"}), Copy(2, {"a": "1", "b": "1"}), Copy(3, {"a": "1"})),
        (Copy(0, {"a": "1"}), Copy(0, {}), Copy(1, {"a": "1"})),
        (Copy(0, {"b": "1"}), Copy(3, {"a": "1"}), Copy(3, {"a": "1"})),
        (Copy(3, {"a": "2"}), Copy(3, {"a": "1"}), Copy(4, {"a": "2"})),
    ],
    ids=[
        "none",
        "lost",
        "older Redis",
        "older file",
        "before this version",
        "no revision",
        "an older program's change",
    ],
)
def test_the_newer_copy_counts(hashed: Copy, stored: Copy, chosen: Copy) -> None:
    assert choose(hashed, stored) == chosen


# --- a loss of Redis --------------------------------------------------------------------------------------------------


async def test_after_a_total_loss_users_and_keys_are_there_again_as_they_were(start: Open, redis: RedisClient) -> None:
    accounts = start()
    ada = await accounts.add_user("ada", "correct horse", "admin")
    key = await accounts.add_key("scanner", ["intake", "read"])
    known = await accounts.get_key(key)
    await redis.flushall()
    fresh = start()
    assert await fresh.verify_password("ada", "correct horse") == ada, "with its stamp: sessions stay valid"
    assert await fresh.get_key(key) == known
    assert await fresh.verify_password("ada", "battery staple") is None


async def test_a_running_process_notices_the_loss_with_the_next_question(start: Open, redis: RedisClient) -> None:
    accounts = start()
    await accounts.add_user("ada", "correct horse", "agent")
    key = await accounts.add_key("scanner", ["read"])
    await redis.flushall()
    assert await accounts.verify_password("ada", "correct horse")
    assert await accounts.get_key(key)


async def test_a_comparison_loads_what_redis_lost_before_anybody_asks(start: Open, redis: RedisClient) -> None:
    await start().add_user("ada", "correct horse", "agent")
    before = await redis.hgetall(keys.USERS)
    await redis.flushall()
    await start().compare()
    assert await redis.hgetall(keys.USERS) == before


async def test_who_was_removed_stays_removed_when_an_older_redis_comes_back(start: Open, redis: RedisClient) -> None:
    accounts = start()
    await accounts.add_user("ada", "correct horse", "agent")
    await accounts.add_user("bob", "correct horse", "agent")
    key = await accounts.add_key("scanner", ["read"])
    older = [(each, await redis.dump(each)) for each in (keys.USERS, keys.API_KEYS)]
    await accounts.remove_user("bob")
    await accounts.remove_key("scanner")
    for running in (accounts, start()):
        for each, dump in older:
            await redis.restore(each, 0, dump, replace=True)
        assert await running.verify_password("bob", "correct horse") is None
        assert await running.get_key(key) is None
        assert await running.verify_password("ada", "correct horse")


async def test_a_file_from_an_older_backup_brings_nobody_back(start: Open, folder: Path) -> None:
    accounts = start()
    await accounts.add_user("ada", "correct horse", "agent")
    await accounts.add_user("bob", "correct horse", "agent")
    older = (folder / "users").read_bytes()
    await accounts.remove_user("bob")
    (folder / "users").write_bytes(older)
    fresh = start()
    await fresh.compare()
    assert await names(fresh) == ["ada"]
    assert list(json.loads((folder / "users").read_bytes())["records"]) == ["ada"]


async def test_users_of_the_version_before_are_stored_by_the_first_comparison(
    start: Open, redis: RedisClient, folder: Path
) -> None:
    await start().add_user("ada", "correct horse", "agent")
    await redis.hdel(keys.USERS, "")
    (folder / "users").unlink()
    await start().compare()
    assert list(json.loads((folder / "users").read_bytes())["records"]) == ["ada"]
    await redis.flushall()
    assert await start().verify_password("ada", "correct horse")


async def test_a_change_by_the_version_before_counts(start: Open, redis: RedisClient) -> None:
    accounts = start()
    await accounts.add_user("ada", "correct horse", "agent")
    await accounts.add_user("bob", "correct horse", "agent")
    await redis.hdel(keys.USERS, "bob")
    await accounts.compare()
    await redis.flushall()
    fresh = start()
    await fresh.compare()
    assert await names(fresh) == ["ada"]


# --- files ------------------------------------------------------------------------------------------------------------


async def test_only_the_owner_may_read_the_files_and_no_secret_is_in_them(start: Open, folder: Path) -> None:
    before = os.umask(0)
    try:
        accounts = start()
        await accounts.add_user("ada", "correct horse", "agent")
        key = await accounts.add_key("scanner", ["read"])
    finally:
        os.umask(before)
    for name in ("users", "keys"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        text = (folder / name).read_text()
        assert "correct horse" not in text
        assert key not in text
    assert not leftovers(folder)


async def test_a_file_that_others_may_read_is_closed_to_them(start: Open, folder: Path) -> None:
    await start().add_user("ada", "correct horse", "agent")
    (folder / "users").chmod(0o644)
    await start().compare()
    assert stat.S_IMODE((folder / "users").stat().st_mode) == 0o600


async def test_processes_that_write_at_once_lose_no_change(start: Open, redis: RedisClient) -> None:
    processes = [start() for _ in range(5)]
    await asyncio.gather(
        *(
            each.add_user(f"person-{number}-{turn}", "correct horse", "agent")
            for number, each in enumerate(processes)
            for turn in range(5)
        )
    )
    await redis.flushall()
    fresh = start()
    await fresh.compare()
    assert len(await names(fresh)) == 25


async def test_a_change_during_which_redis_ends_is_made_when_it_is_back(own_redis: RedisServer, tmp_path: Path) -> None:
    redis = connect(own_redis.url)
    store = MailStore(tmp_path / "mail")
    state = DurableState(redis, store, max_events=1000)
    await state.reconcile()
    records = state.open_records("users", keys.USERS)

    def edit(found: dict[str, str]) -> None:
        found["ada"] = "{}"
        own_redis.kill()

    await records.change(edit)
    own_redis.start()
    assert await records.get("ada") == "{}"
    store.close()
    await redis.aclose()


async def test_a_file_that_root_writes_belongs_to_the_owner_of_the_mail_store(start: Open, folder: Path) -> None:
    accounts = start()
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    os.chown(folder, owner, -1)
    await accounts.add_user("ada", "correct horse", "agent")
    assert (folder / "users").stat().st_uid == owner


async def test_a_full_disk_refuses_the_change_and_the_old_state_stays(
    start: Open, redis: RedisClient, folder: Path
) -> None:
    accounts = start()
    await accounts.add_user("ada", "correct horse", "agent")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "users").stat().st_size + 10, before[1]))
    try:
        with pytest.raises(MailStoreUnavailableError):
            await accounts.add_user("bob", "correct horse", "agent")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert await names(accounts) == ["ada"]
    await redis.flushall()
    await accounts.compare()
    assert await names(accounts) == ["ada"]
    assert not leftovers(folder)


async def test_a_damaged_file_is_neither_used_nor_replaced(start: Open, folder: Path) -> None:
    accounts = start()
    await accounts.add_user("ada", "correct horse", "agent")
    for damage, words in ((b'{"schema"', "cannot be decoded"), (b'{"schema":2}', "newer version")):
        (folder / "users").write_bytes(damage)
        fresh = start()
        with pytest.raises(MailStoreUnavailableError, match=words):
            await fresh.add_user("bob", "correct horse", "agent")
        assert (folder / "users").read_bytes() == damage
        assert await fresh.verify_password("ada", "correct horse"), "Redis still has what it had"


# --- a mail store that is away ----------------------------------------------------------------------------------------


@pytest.fixture
def mounted(redis: RedisClient, tmp_path: Path, io_loop: IOLoop) -> None:
    """Redis and the mail store know each other, as after the first start."""
    store = MailStore(tmp_path / "mail")
    io_loop.run_sync(DurableState(redis, store, max_events=1000).reconcile)
    store.close()


async def test_without_the_mail_store_no_change_is_accepted_and_the_error_says_what_to_do(
    mounted: None, start: Open, redis: RedisClient, tmp_path: Path
) -> None:
    await start().add_user("ada", "correct horse", "agent")
    (tmp_path / "mail").rename(tmp_path / "away")
    fresh = start()
    for change in (fresh.add_user("bob", "correct horse", "agent"), fresh.remove_user("ada")):
        with pytest.raises(MailStoreUnavailableError, match="mount its disk"):
            await change
    assert await fresh.verify_password("ada", "correct horse"), "what Redis has is still used"
    assert await fresh.get_user("bob") is None


async def test_a_mail_store_that_was_lost_for_good_gets_users_and_keys_from_redis(
    mounted: None, start: Open, redis: RedisClient, folder: Path
) -> None:
    await start().add_user("ada", "correct horse", "agent")
    known = await redis.get(keys.STORE)
    shutil.rmtree(folder.parent)
    fresh = start()
    with pytest.raises(MailStoreUnavailableError, match=f"write {known.decode()} into"):
        await fresh.compare()
    (folder / "store").write_bytes(known)
    await fresh.compare()
    await redis.flushall()
    assert await start().verify_password("ada", "correct horse")


async def test_a_change_makes_no_mail_store_where_there_is_none(redis: RedisClient, tmp_path: Path) -> None:
    store = MailStore(tmp_path / "mail")
    accounts = DurableState(redis, store, max_events=1000).open_accounts(hasher=QUICK)
    with pytest.raises(MailStoreUnavailableError, match="start a worker first"):
        await accounts.add_user("ada", "correct horse", "agent")
    assert not (tmp_path / "mail").exists()
    assert await accounts.get_user("ada") is None
    accounts.close()
    store.close()


async def test_while_redis_is_empty_and_the_mail_store_away_nobody_is_called_unknown(
    mounted: None, start: Open, redis: RedisClient, tmp_path: Path, clock: Clock
) -> None:
    await start().add_user("ada", "correct horse", "agent")
    store = await redis.get(keys.STORE)
    (tmp_path / "mail").rename(tmp_path / "away")
    await redis.flushall()
    await redis.set(keys.STORE, store)
    fresh = start()
    for _ in range(2):
        with pytest.raises(MailStoreUnavailableError):
            await fresh.verify_password("ada", "correct horse")
    (tmp_path / "mail" / ".tubepost").rmdir()
    (tmp_path / "mail").rmdir()
    (tmp_path / "away").rename(tmp_path / "mail")
    clock.now += RETRY_SECONDS
    assert await fresh.verify_password("ada", "correct horse")


async def test_a_process_without_the_mail_store_waits_until_another_has_loaded_what_redis_lost(
    mounted: None, start: Open, redis: RedisClient, tmp_path: Path, clock: Clock
) -> None:
    accounts = start()
    await accounts.add_user("ada", "correct horse", "agent")
    with opened_accounts(redis, tmp_path / "another machine", clock=clock) as away:
        assert await away.verify_password("ada", "correct horse")
        await redis.flushall()
        clock.now += RETRY_SECONDS
        with pytest.raises(StoreUnavailableError, match="neither in Redis nor in the mail store"):
            await away.verify_password("ada", "correct horse")
        await accounts.compare()
        assert await away.verify_password("ada", "correct horse")
        await accounts.remove_user("ada")
        assert await away.verify_password("ada", "correct horse") is None


async def test_a_disk_that_hangs_holds_up_no_sign_in(
    start: Open, redis: RedisClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start().add_user("ada", "correct horse", "agent")
    monkeypatch.setattr(durable_records, "COMPARE_SECONDS", 0.05)
    threads = Threads(1, "test")
    hangs = asyncio.Event()
    users = DurableRecords(redis, keys.USERS, tmp_path / "users", threads=threads, check_store=hangs.wait)
    assert await users.get("ada")
    assert await users.get("bob") is None
    with pytest.raises(StoreUnavailableError, match="could not be compared"):
        await users.compare()
    threads.close()

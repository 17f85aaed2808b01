"""Users and keys on a real Redis."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from tests.support.accounts import opened_accounts
from tests.support.redis_server import RedisServer
from workitems.base import keys
from workitems.base.errors import InvalidChangeError, StoreUnavailableError
from workitems.base.redis import RedisClient, connect
from workitems.base.ttl_cache import FRESH_SECONDS, MAX_STALE_SECONDS
from workitems.people.accounts import Accounts


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(redis: RedisClient, clock: Clock, tmp_path: Path) -> Iterator[Accounts]:
    with opened_accounts(redis, tmp_path, clock=clock) as people:
        yield people


async def test_a_user_is_accepted_only_with_the_password(people: Accounts) -> None:
    await people.add_user("ada", "correct horse", "agent")
    user = await people.verify_password("ada", "correct horse")
    assert user is not None
    assert (user.name, user.role) == ("ada", "agent")
    for name, password in [("ada", "Correct horse"), ("ada", ""), ("bob", "correct horse"), ("a b", "correct horse")]:
        assert await people.verify_password(name, password) is None


async def test_the_password_is_not_stored_in_redis(people: Accounts, redis: RedisClient) -> None:
    await people.add_user("ada", "correct horse", "agent")
    assert b"correct horse" not in b"".join((await redis.hgetall(keys.USERS)).values())
    assert b"$argon2id$" in await redis.hget(keys.USERS, "ada")


class CountingHasher(PasswordHasher):
    """Count the passwords that it really checks; argon2's cost makes each check take equally long."""

    checked = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:
        self.checked += 1
        return super().verify(hash, password)


async def test_an_unknown_name_takes_a_password_check_as_well(redis: RedisClient, tmp_path: Path) -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=1024, parallelism=1)
    with opened_accounts(redis, tmp_path, hasher=hasher) as people:
        await people.add_user("ada", "correct horse", "agent")
        for checked, name in enumerate(("ada", "nobody", "not a name"), 1):
            assert await people.verify_password(name, "wrong") is None
            assert hasher.checked == checked


async def test_a_new_password_changes_the_stamp(people: Accounts) -> None:
    first = await people.add_user("ada", "correct horse", "agent")
    second = await people.add_user("ada", "battery staple", "viewer")
    assert first.stamp != second.stamp
    assert (await people.get_user("ada")) == second


async def test_a_known_device_has_a_place_while_strangers_fill_theirs(people: Accounts) -> None:
    await people.add_user("ada", "correct horse", "agent")
    strangers = [asyncio.create_task(people.verify_password("ada", "wrong")) for _ in range(100)]
    await asyncio.sleep(0)
    known = await people.verify_password("ada", "correct horse", is_known_device=True)
    found = await asyncio.gather(*strangers, return_exceptions=True)
    assert known is not None
    assert any(isinstance(each, StoreUnavailableError) for each in found)


async def test_sign_ins_beyond_the_limit_of_waiting_ones_are_refused(people: Accounts) -> None:
    await people.add_user("ada", "correct horse", "agent")
    await people.verify_password("ada", "x")
    found = await asyncio.gather(*(people.verify_password("ada", "wrong") for _ in range(100)), return_exceptions=True)
    refused = [one for one in found if isinstance(one, StoreUnavailableError)]
    assert refused
    assert len(refused) < 100


@pytest.mark.parametrize(
    ("name", "password", "role", "field"),
    [
        ("", "correct horse", "agent", "name"),
        ("a b", "correct horse", "agent", "name"),
        ("a:b", "correct horse", "agent", "name"),
        ("a\n", "correct horse", "agent", "name"),
        ("x" * 65, "correct horse", "agent", "name"),
        ("ada", "short", "agent", "password"),
        ("ada", "x" * 513, "agent", "password"),
        ("ada", "correct horse", "owner", "role"),
    ],
)
async def test_an_error_names_what_is_wrong_about_a_user(
    people: Accounts, name: str, password: str, role: str, field: str
) -> None:
    with pytest.raises(InvalidChangeError) as caught:
        await people.add_user(name, password, role)
    assert caught.value.field == field
    assert "correct horse" not in str(caught.value)


async def test_users_and_keys_are_listed_and_removed(people: Accounts) -> None:
    await people.add_user("bob", "correct horse", "viewer")
    await people.add_user("ada", "correct horse", "agent")
    await people.add_key("scanner", ["intake"])
    assert [user.name for user in await people.list_users()] == ["ada", "bob"]
    assert [key.name for key in await people.list_keys()] == ["scanner"]
    assert await people.remove_user("ada")
    assert not await people.remove_user("ada")
    assert await people.remove_key("scanner") == 1
    assert await people.remove_key("scanner") == 0
    assert await people.get_user("ada") is None


async def test_a_key_is_accepted_and_only_its_digest_is_stored(people: Accounts, redis: RedisClient) -> None:
    key = await people.add_key("scanner", ["intake", "read"])
    found = await people.get_key(key)
    assert found is not None
    assert (found.name, found.scopes) == ("scanner", {"intake", "read"})
    assert await people.get_key(key + "x") is None
    kept = await redis.hgetall(keys.API_KEYS)
    assert key.encode() not in b"".join([*kept, *kept.values()])


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "everything"]])
async def test_a_key_accepts_only_known_scopes(people: Accounts, scopes: list[str]) -> None:
    with pytest.raises(InvalidChangeError) as caught:
        await people.add_key("scanner", scopes)
    assert caught.value.field == "scopes"


async def test_another_process_sees_a_removal_after_15_seconds(
    people: Accounts, redis: RedisClient, clock: Clock, tmp_path: Path
) -> None:
    await people.add_user("ada", "correct horse", "agent")
    assert await people.get_user("ada")
    with opened_accounts(redis, tmp_path) as other:
        await other.remove_user("ada")
    assert await people.get_user("ada")
    clock.now += FRESH_SECONDS + 0.1
    assert await people.get_user("ada") is None


async def test_known_users_are_accepted_while_redis_does_not_answer(clock: Clock, tmp_path: Path) -> None:
    server = RedisServer().start()
    redis = connect(server.url)
    try:
        with opened_accounts(redis, tmp_path, clock=clock) as people:
            await people.add_user("ada", "correct horse", "agent")
            key = await people.add_key("scanner", ["intake"])
            assert await people.get_user("ada")
            assert await people.get_key(key)
            for n in range(20):  # guesses drop no answer
                assert await people.get_key(f"tp_{n:043}") is None
            server.kill()
            clock.now += FRESH_SECONDS + 1
            assert await people.get_user("ada")
            assert await people.get_key(key)
            with pytest.raises(StoreUnavailableError):
                await people.get_user("bob")
            clock.now += MAX_STALE_SECONDS
            with pytest.raises(StoreUnavailableError):
                await people.get_user("ada")
    finally:
        await redis.aclose()
        server.stop()


async def test_a_record_of_a_later_version_is_refused_without_effect_on_others(
    people: Accounts, redis: RedisClient
) -> None:
    await people.add_user("ada", "correct horse", "agent")
    await redis.hset(keys.USERS, "zoe", '{"schema":9,"something":"else"}')
    await redis.hset(keys.API_KEYS, "0" * 64, "[]")
    assert [user.name for user in await people.list_users()] == ["ada"]
    assert await people.list_keys() == ()
    assert await people.verify_password("zoe", "correct horse") is None

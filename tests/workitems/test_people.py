"""Users and keys on a real Redis."""

import asyncio
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from tests.support.redis_server import RedisServer
from workitems import keys
from workitems.errors import InvalidChangeError, StoreUnavailableError
from workitems.people import People
from workitems.redis import Client, connect
from workitems.remembered import FRESH, STALE

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(redis: Client, clock: Clock) -> Iterator[People]:
    people = People(redis, hasher=QUICK, clock=clock)
    yield people
    people.close()


async def test_a_user_is_known_by_the_password_and_by_nothing_else(people: People) -> None:
    await people.add("ada", "correct horse", "agent")
    user = await people.verify("ada", "correct horse")
    assert user is not None
    assert (user.name, user.role) == ("ada", "agent")
    for name, password in [("ada", "Correct horse"), ("ada", ""), ("bob", "correct horse"), ("a b", "correct horse")]:
        assert await people.verify(name, password) is None


async def test_the_password_is_nowhere_in_redis(people: People, redis: Client) -> None:
    await people.add("ada", "correct horse", "agent")
    assert b"correct horse" not in b"".join((await redis.hgetall(keys.USERS)).values())
    assert b"$argon2id$" in await redis.hget(keys.USERS, "ada")


class CountingHasher(PasswordHasher):
    """Counts the passwords that it really checks; argon2's own cost makes each of them take as long."""

    checked = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:
        self.checked += 1
        return super().verify(hash, password)


async def test_an_unknown_name_takes_a_password_check_as_well(redis: Client) -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=1024, parallelism=1)
    people = People(redis, hasher=hasher)
    await people.add("ada", "correct horse", "agent")
    for checked, name in enumerate(("ada", "nobody", "not a name"), 1):
        assert await people.verify(name, "wrong") is None
        assert hasher.checked == checked
    people.close()


async def test_a_new_password_has_another_stamp(people: People) -> None:
    first = await people.add("ada", "correct horse", "agent")
    second = await people.add("ada", "battery staple", "viewer")
    assert first.stamp != second.stamp
    assert (await people.user("ada")) == second


async def test_more_sign_ins_than_may_wait_are_refused(people: People) -> None:
    await people.add("ada", "correct horse", "agent")
    await people.verify("ada", "x")
    found = await asyncio.gather(*(people.verify("ada", "wrong") for _ in range(100)), return_exceptions=True)
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
async def test_what_is_wrong_about_a_user_is_named(
    people: People, name: str, password: str, role: str, field: str
) -> None:
    with pytest.raises(InvalidChangeError) as caught:
        await people.add(name, password, role)
    assert caught.value.field == field
    assert "correct horse" not in str(caught.value)


async def test_users_and_keys_are_listed_and_removed(people: People) -> None:
    await people.add("bob", "correct horse", "viewer")
    await people.add("ada", "correct horse", "agent")
    await people.add_key("scanner", ["intake"])
    assert [user.name for user in await people.list()] == ["ada", "bob"]
    assert [key.name for key in await people.list_keys()] == ["scanner"]
    assert await people.remove("ada")
    assert not await people.remove("ada")
    assert await people.remove_key("scanner") == 1
    assert await people.remove_key("scanner") == 0
    assert await people.user("ada") is None


async def test_a_key_is_known_and_only_its_digest_is_kept(people: People, redis: Client) -> None:
    key = await people.add_key("scanner", ["intake", "read"])
    found = await people.key(key)
    assert found is not None
    assert (found.name, found.scopes) == ("scanner", {"intake", "read"})
    assert await people.key(key + "x") is None
    kept = await redis.hgetall(keys.API_KEYS)
    assert key.encode() not in b"".join([*kept, *kept.values()])


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "everything"]])
async def test_a_key_has_known_scopes(people: People, scopes: list[str]) -> None:
    with pytest.raises(InvalidChangeError) as caught:
        await people.add_key("scanner", scopes)
    assert caught.value.field == "scopes"


async def test_another_process_sees_a_removal_after_15_seconds(people: People, redis: Client, clock: Clock) -> None:
    other = People(redis, hasher=QUICK)
    await people.add("ada", "correct horse", "agent")
    assert await people.user("ada")
    await other.remove("ada")
    assert await people.user("ada")
    clock.now += FRESH + 0.1
    assert await people.user("ada") is None
    other.close()


async def test_while_redis_is_away_those_who_were_known_stay_known(clock: Clock) -> None:
    server = RedisServer().start()
    redis = connect(server.url)
    people = People(redis, hasher=QUICK, clock=clock)
    try:
        await people.add("ada", "correct horse", "agent")
        key = await people.add_key("scanner", ["intake"])
        assert await people.user("ada")
        assert await people.key(key)
        server.kill()
        clock.now += FRESH + 1
        assert await people.user("ada")
        assert await people.key(key)
        with pytest.raises(StoreUnavailableError):
            await people.user("bob")
        clock.now += STALE
        with pytest.raises(StoreUnavailableError):
            await people.user("ada")
    finally:
        people.close()
        await redis.aclose()
        server.stop()


async def test_a_record_of_a_later_version_is_refused_and_disturbs_nobody(people: People, redis: Client) -> None:
    await people.add("ada", "correct horse", "agent")
    await redis.hset(keys.USERS, "zoe", '{"schema":9,"something":"else"}')
    await redis.hset(keys.API_KEYS, "0" * 64, "[]")
    assert [user.name for user in await people.list()] == ["ada"]
    assert await people.list_keys() == ()
    assert await people.verify("zoe", "correct horse") is None

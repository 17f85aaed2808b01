"""What real servers of each kind say of themselves, and that mail is refused as long as Redis would lose it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import exceptions
from structlog.testing import capture_logs

from tests.support.redis_server import RedisServer
from workitems.base.errors import StoreUnavailableError, StoreUnsafeError
from workitems.base.redis import RedisClient
from workitems.status.redis_watch import FRESH_SECONDS, RedisWatch

ClientOf = Callable[..., RedisClient]


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self) -> None:
        """Let pass the time for which an answer is used."""
        self.now += FRESH_SECONDS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def evicting(binary: str | None) -> Iterator[RedisServer]:
    server = RedisServer(None, binary, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru").start()
    yield server
    server.stop()


def kinds(watch: RedisWatch) -> list[str]:
    return [finding.kind for finding in watch.findings]


async def test_mail_is_refused_until_the_policy_is_corrected(
    evicting: RedisServer, client_of: ClientOf, clock: Clock
) -> None:
    redis = client_of(evicting.url)
    watch = RedisWatch(redis, clock)
    for _ in range(2):
        with pytest.raises(StoreUnsafeError, match=r"maxmemory-policy allkeys-lru.*Set maxmemory-policy noeviction"):
            await watch.require_safe()
    await redis.config_set("maxmemory-policy", "noeviction")
    clock.pass_by()
    await watch.require_safe()
    assert kinds(watch) == []
    await redis.config_set("maxmemory-policy", "allkeys-lfu")
    clock.pass_by()
    with pytest.raises(StoreUnsafeError, match="allkeys-lfu"):
        await watch.require_safe()


async def test_redis_is_not_asked_for_each_mail(own_redis: RedisServer, client_of: ClientOf, clock: Clock) -> None:
    redis = client_of(own_redis.url)
    watch = RedisWatch(redis, clock)
    await redis.config_resetstat()
    for _ in range(20):
        await watch.require_safe()
    assert (await redis.info("commandstats"))["cmdstat_info"]["calls"] == 1


async def test_each_finding_is_logged_when_it_begins_and_when_it_ends(
    own_redis: RedisServer, client_of: ClientOf, clock: Clock
) -> None:
    redis = client_of(own_redis.url)
    watch = RedisWatch(redis, clock)
    await redis.config_set("appendfsync", "everysec")
    with capture_logs() as lines:
        for fsync in ("everysec", "everysec", "always", "always"):
            await redis.config_set("appendfsync", fsync)
            clock.pass_by()
            await watch.refresh()
    assert [(line["log_level"], line["event"], line["kind"]) for line in lines] == [
        ("warning", "Redis needs attention", "fsync"), ("info", "Redis has been corrected", "fsync"),
    ]  # fmt: skip
    assert "appendfsync everysec" in lines[0]["reason"]


async def test_a_replica_is_found_and_one_that_loses_changes_gets_none(
    own_redis: RedisServer, client_of: ClientOf, clock: Clock
) -> None:
    redis = client_of(own_redis.url)
    watch = RedisWatch(redis, clock)
    await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    await watch.require_safe()  # a write fails there; that is how a connection to a former primary is noticed
    assert kinds(watch) == ["replica"]
    await redis.config_set("replica-read-only", "no")
    clock.pass_by()
    with pytest.raises(StoreUnsafeError, match="loses them"):
        await watch.require_safe()
    await redis.execute_command("REPLICAOF", "NO", "ONE")
    clock.pass_by()
    await watch.require_safe()


async def test_after_a_failover_behind_one_address_the_new_primary_is_asked(
    own_redis: RedisServer, evicting: RedisServer, client_of: ClientOf, clock: Clock
) -> None:
    """The connection to the former primary, now a replica that accepts changes, lives on."""
    former, new = client_of(own_redis.url), client_of(evicting.url)
    await new.config_set("maxmemory-policy", "noeviction")
    address = own_redis.folder / "address"
    address.symlink_to(own_redis.socket)
    watch = RedisWatch(client_of(f"unix://{address}"), clock)
    await watch.require_safe()
    await former.config_set("replica-read-only", "no")
    await former.execute_command("REPLICAOF", "127.0.0.1", "1")
    address.unlink()
    address.symlink_to(evicting.socket)
    clock.pass_by()
    with pytest.raises(StoreUnsafeError):
        await watch.require_safe()
    clock.pass_by()
    await watch.require_safe()
    assert kinds(watch) == []


@pytest.mark.parametrize("rights", [("-info",), ("-config",), ("-info", "-config"), ("-@dangerous",)])
async def test_what_redis_forbids_is_unknown_and_no_failure(
    evicting: RedisServer, client_of: ClientOf, clock: Clock, rights: tuple[str, ...]
) -> None:
    redis: Any = client_of(evicting.url)
    await redis.execute_command("ACL", "SETUSER", "limited", "on", ">word", "~*", "&*", "+@all", *rights)
    watch = RedisWatch(client_of(f"unix://limited:word@{evicting.socket}"), clock)
    if rights == ("-config",):
        with pytest.raises(StoreUnsafeError):
            await watch.require_safe()
    else:
        await watch.require_safe()
        assert (watch.facts, watch.findings) == (None, ())
    assert await watch.count_repairable_evictions() == 0


async def test_a_redis_that_is_away_is_unavailable_and_what_was_known_stays(
    evicting: RedisServer, client_of: ClientOf, clock: Clock
) -> None:
    watch = RedisWatch(client_of(evicting.url, timeout=1.0), clock)
    await watch.refresh()
    evicting.kill()
    clock.pass_by()
    with pytest.raises(StoreUnavailableError):
        await watch.require_safe()
    assert kinds(watch) == ["eviction"]
    assert watch.facts is None


async def test_a_redis_without_the_command_info_is_no_failure(
    binary: str | None, client_of: ClientOf, clock: Clock
) -> None:
    server = RedisServer(None, binary, "--rename-command", "INFO", "").start()
    try:
        watch = RedisWatch(client_of(server.url), clock)
        await watch.require_safe()
        assert (watch.facts, watch.findings) == (None, ())
    finally:
        server.stop()


async def test_an_answer_that_is_an_error_corrects_nothing(
    evicting: RedisServer, client_of: ClientOf, clock: Clock
) -> None:
    """A Redis whose script takes too long answers BUSY to INFO."""
    watch, other, busy = RedisWatch(client_of(evicting.url), clock), client_of(evicting.url), client_of(evicting.url)
    await other.config_set("lua-time-limit", 1)
    await watch.refresh()
    script = asyncio.create_task(busy.eval("while true do end", 0))

    async def is_busy() -> bool:
        try:
            await other.ping()
        except exceptions.ResponseError:
            return True
        return False

    async with asyncio.timeout(30):
        while not await is_busy():
            await asyncio.sleep(0.01)
    clock.pass_by()
    with capture_logs() as lines, pytest.raises(StoreUnavailableError, match="BUSY"):
        await watch.require_safe()
    await other.script_kill()
    with pytest.raises(exceptions.ResponseError):
        await script
    assert (kinds(watch), watch.facts, lines) == (["eviction"], None, [])


async def test_all_who_wait_for_a_redis_that_hangs_share_one_try(client_of: ClientOf, clock: Clock) -> None:
    tries = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    watch = RedisWatch(client_of(url, timeout=0.2), clock)
    try:
        for expected in (1, 2):  # who comes later tries again
            answers = await asyncio.gather(*(watch.require_safe() for _ in range(60)), return_exceptions=True)
            assert {type(each) for each in answers} == {StoreUnavailableError}
            assert len({str(each) for each in answers}) == 1
            assert tries == expected
    finally:
        server.close()

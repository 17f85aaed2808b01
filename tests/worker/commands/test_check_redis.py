"""`run.py check` on Redis, and on what is no Redis: each trap is named with its cure, and none ends in a traceback."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.support.program import free_port
from tests.support.redis_kinds import running_answering, running_cluster, running_sentinel
from tests.support.redis_server import RedisServer
from worker.commands.check import check
from workitems.base.redis import connect
from workitems.settings import Settings
from workitems.status.redis_check import check_redis

Start = Callable[..., RedisServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers with options; they end with the test."""
    started: list[RedisServer] = []

    def make(*options: str, binary: str | None = None) -> RedisServer:
        started.append(RedisServer(None, binary, *options).start())
        return started[-1]

    yield make
    for server in started:
        server.stop()


async def lines_of(url: str, tmp_path: Path) -> tuple[bool, str]:
    """Check everything with *url*. Return whether all works, and the lines about Redis with their cures."""
    settings = Settings.model_validate({"data": tmp_path, "redis": {"url": url, "timeout_seconds": 2}})
    said: list[str] = []
    fine = await check(settings, said.append)
    end = next(n for n, line in enumerate(said) if line.startswith("mail store"))
    return fine, "\n".join(said[:end])


async def test_a_good_redis_is_reached_and_a_write_is_tried(start: Start, tmp_path: Path) -> None:
    server = start()
    fine, said = await lines_of(server.url, tmp_path)
    assert fine
    assert said.startswith("Redis       ok       reached, valkey ")
    assert said.endswith("; a write was tried")
    with Redis.from_url(server.url) as client:
        assert client.keys("*") == []


@pytest.mark.parametrize(
    ("options", "fine", "said"),
    [
        (("--appendonly", "no"), True, "WARNING  it has no append-only file"),
        (("--appendfsync", "everysec"), True, "WARNING  it does not wait for the disk (appendfsync everysec)"),
        (("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"), False, "ERROR    it deletes items and users"),
        (("--maxmemory-policy", "allkeys-lru"), True, "WARNING  it deletes items and users as soon as"),
        (("--maxmemory-policy", "volatile-ttl"), True, "WARNING  it deletes keys that expire"),
        (("--replicaof", "127.0.0.1 1"), False, "ERROR    it is a replica, which accepts no changes"),
        (("--maxmemory", "100"), False, "ERROR    its memory is full"),
        (("--min-replicas-to-write", "2"), False, "ERROR    it has too few replicas to accept changes"),
        (("--requirepass", "word"), False, "ERROR    it wants a password"),
    ],
)
async def test_each_trap_of_a_configuration_is_named_once_with_its_cure(
    start: Start, tmp_path: Path, options: tuple[str, ...], fine: bool, said: str
) -> None:
    server = _with_password(start()) if "--requirepass" in options else start(*options)
    is_fine, printed = await lines_of(server.url, tmp_path)
    assert is_fine == fine, printed
    assert printed.count(said) == 1
    assert printed.count("WARNING") + printed.count("ERROR") == 1, printed
    for line in printed.splitlines():
        assert line[:12].strip() in ("Redis", "")
        assert line[12:21].strip() in ("ok", "WARNING", "ERROR", "")
        assert line[21:]


def _with_password(server: RedisServer) -> RedisServer:
    with Redis.from_url(server.url) as client:
        client.config_set("requirepass", "word")
    return server


async def test_a_wrong_password_is_named_and_never_printed(start: Start, tmp_path: Path) -> None:
    server = _with_password(start())
    for user in (":hunter2", "nobody:hunter2", "hunter2"):
        fine, said = await lines_of(f"unix://{user}@{server.socket}", tmp_path)
        assert not fine
        assert "ERROR    it refuses the user or the password" in said
        assert "redis://:password@host" in said
        assert "hunter2" not in said
    fine, _ = await lines_of(f"unix://:word@{server.socket}", tmp_path)
    assert fine
    fine, said = await lines_of(f"unix://:hunter2@{start().socket}", tmp_path)
    assert not fine
    assert "it has no password, but redis.url has one" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("binary", [None, pytest.param("/usr/bin/redis-server", marks=pytest.mark.external)])
@pytest.mark.parametrize(
    ("rights", "fine", "said"),
    [
        ("+@all -info", True, "WARNING  it does not permit INFO"),
        ("+@all -config", True, "WARNING  it does not permit CONFIG GET"),
        ("+@all -@dangerous", True, "WARNING  it does not permit INFO"),
        ("+@all -set", False, "ERROR    its user has not all rights: "),
        ("+@all -get", False, "ERROR    its user has not all rights: "),
        ("+@all -hmget", False, "ERROR    its user has not all rights: "),
        ("+@all -eval", False, "ERROR    its user has not all rights: "),
        ("+@all -ping -set", False, "ERROR    its user has not all rights: "),
        ("+@all -time", False, "ERROR    its user has not all rights: "),
        ("+@read", False, "ERROR    its user has not all rights: "),
        ("+@all ~other:*", False, "ERROR    its user has not all rights: "),
        ("-@all", False, "ERROR    its user has not all rights: "),
    ],
)
async def test_a_user_without_a_right_is_told_which_or_that_something_is_unknown(
    start: Start, tmp_path: Path, binary: str | None, rights: str, fine: bool, said: str
) -> None:
    server = start(binary=binary)
    with Redis.from_url(server.url) as client:
        key_rule = () if "~" in rights else ("~{tubepost}:*",)
        client.execute_command("ACL", "SETUSER", "app", "on", ">word", "&*", *key_rule, *rights.split())
    is_fine, printed = await lines_of(f"unix://app:word@{server.socket}", tmp_path)
    assert said in printed
    assert is_fine == fine, printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("database", ["", "/0", "/1"])
async def test_a_sentinel_is_named_with_the_redis_that_it_watches(start: Start, tmp_path: Path, database: str) -> None:
    port = free_port()
    server = start("--port", str(port))
    with running_sentinel(server, port) as sentinel:
        fine, said = await lines_of(f"redis://127.0.0.1:{sentinel}{database}", tmp_path)
    assert not fine
    assert "ERROR    it is a Sentinel" in said
    assert database == "/1" or f"it watches main at 127.0.0.1:{port}" in said
    assert "Let redis.url name the Redis" in said


async def test_nodes_of_a_cluster_are_named(tmp_path: Path) -> None:
    with running_cluster() as (full, empty):
        fine, said = await lines_of(f"redis://127.0.0.1:{full}", tmp_path)
        assert fine, said
        assert "WARNING  it is a node of a Redis Cluster; Tubepost stops working" in said
        fine, said = await lines_of(f"redis://127.0.0.1:{empty}", tmp_path)
        assert not fine
        assert "ERROR    it is a node of a Redis Cluster that does not have our data: " in said
        assert f"127.0.0.1:{full}" in said, "MOVED says where"
        fine, said = await lines_of(f"redis://127.0.0.1:{full}/1", tmp_path)
        assert not fine
        assert "no database" in said


async def test_a_database_that_is_not_there_is_named(start: Start, tmp_path: Path) -> None:
    fine, said = await lines_of(start().url + "?db=99", tmp_path)
    assert not fine
    assert "ERROR    it has no database of this number" in said


@pytest.mark.parametrize(
    ("answer", "greeting", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", "not Redis"),
        (b"500 what\r\n", b"220 mail.example.com ready\r\n", "not Redis"),
        (b"ERROR\r\n", b"", "not Redis"),
        (b"* BAD\r\n", b"* OK IMAP\r\n", "not Redis"),
        (b":1\r\n", b"", "not Redis"),
        (b"*0\r\n", b"", "not Redis"),
        (b"+PONG\r\n", b"", ""),
        (b"-ERR no\r\n", b"", "NOT reached"),
        (b"", b"", "closes the connection"),
        (b"\x15\x03\x03\x00\x02\x02\x28", b"", "not Redis"),
    ],
)
async def test_another_service_is_named_and_no_traceback_comes(
    tmp_path: Path, answer: bytes, greeting: bytes, said: str
) -> None:
    async with running_answering(answer, greeting) as port:
        fine, printed = await lines_of(f"redis://127.0.0.1:{port}", tmp_path)
        assert not fine or not said
        assert said in printed
        fine, printed = await lines_of(f"rediss://127.0.0.1:{port}", tmp_path)
        assert not fine


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{free}", "unix:///nowhere/redis.sock", "unix:///tmp"])
async def test_a_redis_that_is_not_there_is_not_reached(tmp_path: Path, url: str) -> None:
    fine, said = await lines_of(url.format(free=free_port()), tmp_path)
    assert not fine
    assert "ERROR    NOT reached: " in said
    assert "Check that it is up, and redis.url." in said


async def test_tls_to_a_redis_without_it_is_named(start: Start, tmp_path: Path) -> None:
    port = free_port()
    start("--port", str(port))
    fine, said = await lines_of(f"rediss://127.0.0.1:{port}", tmp_path)
    assert not fine
    assert "Check that it speaks TLS there; else write redis://." in said


async def test_a_clock_that_differs_is_a_warning(start: Start) -> None:
    redis: Any = connect(start().url)
    try:
        for ahead, said in ((-60, "60 s ahead of the clock"), (3600, "3600 s behind the clock"), (1, "")):
            _, found = await check_redis(redis, "", clock=lambda ahead=ahead: time.time() + ahead)
            assert [each.kind for each in found] == (["clock"] if said else [])
            assert not said or said in found[0].message
    finally:
        await redis.aclose()

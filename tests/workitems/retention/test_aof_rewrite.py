"""After a rewrite no file of Redis contains deleted bytes; a refusal of Redis is reported."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.retention.aof_rewrite import AofRewrite, rewrite_aof

ClientOf = Callable[..., RedisClient]
MakeServer = Callable[..., RedisServer]


@pytest.fixture
def make_server(binary: str | None) -> Iterator[MakeServer]:
    made: list[RedisServer] = []

    def make(*options: str) -> RedisServer:
        made.append(RedisServer(None, binary, *options).start())
        return made[-1]

    yield make
    for server in made:
        server.stop()


def holds(folder: Path, word: bytes) -> bool:
    return any(word in path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_deleted_bytes_are_gone_from_the_disk(own_redis: RedisServer, client_of: ClientOf) -> None:
    redis = client_of(own_redis.url)
    await redis.hset(keys.RETENTION, "removed", 1)
    await redis.set("a", "a-word-nobody-else-has")
    await redis.delete("a")
    assert holds(own_redis.folder, b"a-word-nobody-else-has")
    rewrite = await rewrite_aof(redis, seconds=10)
    assert rewrite == AofRewrite(True, "Redis's append-only file was rewritten without it.")
    async with asyncio.timeout(10):
        while holds(own_redis.folder, b"a-word-nobody-else-has"):  # the old file is unlinked in the background
            await asyncio.sleep(0.01)
    assert not await redis.hexists(keys.RETENTION, "removed")


async def test_an_unfinished_rewrite_is_not_reported_as_done(own_redis: RedisServer, client_of: ClientOf) -> None:
    redis = client_of(own_redis.url)
    found = await rewrite_aof(redis, seconds=0)
    assert "append-only file" in found.message
    assert (await rewrite_aof(redis, seconds=10)).is_done


async def test_a_refusal_of_redis_is_reported(make_server: MakeServer, client_of: ClientOf) -> None:
    redis = client_of(make_server("--rename-command", "BGREWRITEAOF", "").url)
    found = await rewrite_aof(redis, seconds=1)
    assert not found.is_done
    assert "refused" in found.message


async def test_without_an_append_only_file_nothing_is_rewritten(make_server: MakeServer, client_of: ClientOf) -> None:
    redis = client_of(make_server("--appendonly", "no").url)
    assert await rewrite_aof(redis, seconds=1) == AofRewrite(True, "Redis keeps no append-only file.")

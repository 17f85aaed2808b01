"""After a rewrite no file of Redis holds what was deleted; a Redis that refuses is told of."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer
from workitems import keys
from workitems.redis import Client
from workitems.rewriting import Rewriting, rewrite

ClientOf = Callable[..., Client]
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
    told = await rewrite(redis, seconds=10)
    assert told == Rewriting(True, "Redis's append-only file was rewritten without it.")
    async with asyncio.timeout(10):
        while holds(own_redis.folder, b"a-word-nobody-else-has"):  # the old file is unlinked in the background
            await asyncio.sleep(0.01)
    assert not await redis.hexists(keys.RETENTION, "removed")


async def test_one_that_is_only_begun_is_not_called_done(own_redis: RedisServer, client_of: ClientOf) -> None:
    redis = client_of(own_redis.url)
    found = await rewrite(redis, seconds=0)
    assert "append-only file" in found.told
    assert (await rewrite(redis, seconds=10)).done


async def test_a_redis_that_refuses_is_told_of(make_server: MakeServer, client_of: ClientOf) -> None:
    redis = client_of(make_server("--rename-command", "BGREWRITEAOF", "").url)
    found = await rewrite(redis, seconds=1)
    assert not found.done
    assert "refused" in found.told


async def test_where_there_is_no_such_file_nothing_is_to_be_done(make_server: MakeServer, client_of: ClientOf) -> None:
    redis = client_of(make_server("--appendonly", "no").url)
    assert await rewrite(redis, seconds=1) == Rewriting(True, "Redis keeps no append-only file.")

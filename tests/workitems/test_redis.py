"""The connection: explicit time-outs, one error when Redis cannot serve, nothing said twice."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from time import monotonic

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from tests.support.redis_server import RedisServer
from tests.workitems.lossy import LossyWay
from workitems import keys
from workitems.errors import StoreUnavailableError
from workitems.mailbox import Checkpoint, Mailbox
from workitems.redis import BLOCK, Client, Script, available, connect, run_id

ClientOf = Callable[..., Client]


@pytest.mark.parametrize("blocking", [False, True])
async def test_every_time_out_is_explicit(client_of: ClientOf, blocking: bool) -> None:
    settings = client_of("redis://127.0.0.1:1", timeout=3.0, blocking=blocking).connection_pool.connection_kwargs
    assert settings["socket_timeout"] == (BLOCK + 3.0 if blocking else 3.0)
    assert 0 < settings["socket_connect_timeout"] <= 5.0
    assert settings["retry"].get_retries() == 0


async def test_a_blocking_read_of_an_idle_stream_does_not_raise(redis_url: str, client_of: ClientOf) -> None:
    reader = client_of(redis_url, blocking=True, timeout=1.0)
    started = monotonic()
    with available():
        assert not await reader.xread({"idle": "0-0"}, block=int(BLOCK * 1000))
    assert monotonic() - started >= BLOCK - 0.1


async def test_a_server_that_stands_still_is_away_within_the_time_out(
    own_redis: RedisServer, client_of: ClientOf
) -> None:
    client, reader = client_of(own_redis.url, timeout=0.3), client_of(own_redis.url, timeout=0.3, blocking=True)
    await client.ping()
    await reader.ping()
    assert own_redis.process is not None
    os.kill(own_redis.process.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(BLOCK + 5):
            with pytest.raises(StoreUnavailableError, match="Redis cannot serve: "), available():
                await client.ping()
            with pytest.raises(StoreUnavailableError), available():
                await reader.xread({"idle": "0-0"}, block=100)
    finally:
        os.kill(own_redis.process.pid, signal.SIGCONT)
    assert await client.ping()  # what was late answers nobody else's question
    assert await client.get("nothing") is None


async def test_a_crowd_waits_for_the_few_connections_that_there_are(redis_url: str, client_of: ClientOf) -> None:
    client = client_of(redis_url, most=2)
    with available():
        assert all(await asyncio.gather(*(client.ping() for _ in range(300))))


async def test_a_crowd_before_a_server_that_stands_still_is_sent_away_in_time(
    own_redis: RedisServer, client_of: ClientOf
) -> None:
    client = client_of(own_redis.url, timeout=0.3, most=2)
    await client.ping()
    assert own_redis.process is not None
    os.kill(own_redis.process.pid, signal.SIGSTOP)

    async def away() -> None:
        with pytest.raises(StoreUnavailableError), available():
            await client.ping()

    try:
        async with asyncio.timeout(5):
            await asyncio.gather(*(away() for _ in range(50)))
    finally:
        os.kill(own_redis.process.pid, signal.SIGCONT)
    assert await client.ping()


async def test_a_server_that_is_not_there_is_away(client_of: ClientOf, tmp_path: object) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else gets the port
        for url in (f"redis://127.0.0.1:{taken.getsockname()[1]}", f"unix://{tmp_path}/none.sock"):
            with pytest.raises(StoreUnavailableError), available():
                await client_of(url).ping()


async def test_the_reason_names_no_password(client_of: ClientOf) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(StoreUnavailableError) as error, available():
            await client_of(f"redis://:hunter2@127.0.0.1:{taken.getsockname()[1]}").ping()
    assert "hunter2" not in str(error.value)


async def test_no_command_is_sent_twice_when_its_answer_was_lost(
    redis_server: RedisServer, redis_url: str, client_of: ClientOf
) -> None:
    async with LossyWay(redis_server) as way:
        client = client_of(way.url)
        await client.set("n", 0)
        way.lose = b"INCR"
        with pytest.raises(StoreUnavailableError), available():
            await client.incr("n")
        with pytest.raises(StoreUnavailableError), available():
            async with client.pipeline() as pipe:
                await pipe.incr("n").execute()
        way.lose = None
        assert await client.get("n") == b"2"
        assert way.count(b"INCR") == 2
        await client.aclose()


async def test_a_cancelled_read_leaves_no_answer_for_the_next_command(redis_url: str, client_of: ClientOf) -> None:
    reader = client_of(redis_url, blocking=True)
    task = asyncio.create_task(reader.xread({"idle": "0-0"}, block=5000))
    for _ in range(500):
        if any(client["cmd"] == "xread" for client in await reader.client_list()):
            break
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await reader.echo("mine") == b"mine"


async def test_answers_have_one_shape(redis: Client) -> None:
    await redis.xadd("s", {"a": "b"}, id="1-1")
    assert await redis.xread({"s": "0-0"}) == [[b"s", [(b"1-1", {b"a": b"b"})]]]
    await redis.hset("h", "a", "b")
    assert await redis.hgetall("h") == {b"a": b"b"}


@pytest.mark.parametrize(
    ("command", "code"),
    [(("CONFIG", "SET", "maxmemory", "1"), "OOM"), (("REPLICAOF", "127.0.0.1", "1"), "READONLY")],
)
@pytest.mark.parametrize("inside_lua", [False, True])
async def test_a_server_that_is_full_or_read_only_is_away(
    own_redis: RedisServer, client_of: ClientOf, command: tuple[str, ...], code: str, inside_lua: bool
) -> None:
    client = client_of(own_redis.url)
    await client.execute_command(*command)
    with pytest.raises(StoreUnavailableError, match=f"{code}|OutOfMemory|ReadOnly"), available():
        await (client.eval("return redis.call('SET', 'a', 'b')", 0) if inside_lua else client.set("a", "b"))


async def test_a_loading_server_is_away(binary: str | None, client_of: ClientOf) -> None:
    slow = RedisServer(None, binary, "--key-load-delay", "300").start()
    try:
        with Redis.from_url(slow.url) as filler, filler.pipeline(transaction=False) as pipe:
            for n in range(4096):
                pipe.set(f"key:{n}", n)
            pipe.execute()
        slow.kill()
        starting = asyncio.create_task(asyncio.to_thread(slow.start))
        reasons = set()
        while not starting.done():
            reasons.add(await _why_away(client_of(slow.url)))
            await asyncio.sleep(0.02)
        assert any("BusyLoading" in reason for reason in reasons)
        assert await client_of(slow.url).get("key:4095") == b"4095"
    finally:
        slow.stop()


async def _why_away(client: Client) -> str:
    try:
        with available():
            await client.get("key:1")
    except StoreUnavailableError as error:
        return str(error)
    return ""


async def test_a_wrong_command_is_an_error_of_ours_and_not_an_absent_redis(redis: Client) -> None:
    await redis.set("text", "BOOM, ROOM, LOADING")
    with pytest.raises(ResponseError), available():
        await redis.xlen("text")
    with pytest.raises(ResponseError), available():
        await redis.execute_command("ROOM", "LOADING")


async def test_a_script_that_redis_forgot_is_sent_again(redis: Client) -> None:
    mailbox = Mailbox(redis, "claims")
    await mailbox.begin(Checkpoint(7, 1))
    assert await mailbox.advance(7, 2)
    await redis.script_flush()
    assert await mailbox.advance(7, 3)
    assert await mailbox.checkpoint() == Checkpoint(7, 3)


async def test_a_script_gets_its_arguments_as_they_are(
    redis: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["", b"\x00\r\n12 3", "3\n", 0, -7, 1.5, "é\U0001f600", *map(str, range(5_000)), "x" * 100_000, ""]
    (tmp_path / "told.lua").write_text("return ARGV")
    (tmp_path / "feed.lua").write_bytes(files("workitems").joinpath("feed.lua").read_bytes())
    monkeypatch.setattr("workitems.redis.files", lambda _: tmp_path)
    found = await Script("feed.lua", "told.lua")(redis, keys.FEED, arguments)
    assert found == [each if isinstance(each, bytes) else str(each).encode() for each in arguments]


async def test_every_start_of_redis_has_its_own_run_id(own_redis: RedisServer, client_of: ClientOf) -> None:
    first = await run_id(client_of(own_redis.url))
    own_redis.kill()
    own_redis.start()
    assert len(first) == 40
    assert await run_id(client_of(own_redis.url)) != first


def test_a_client_connects_with_its_first_command_only() -> None:
    assert connect("redis://127.0.0.1:1") is not None


@pytest.mark.parametrize(
    "text",
    [
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Errors writing to the AOF file: No space left on device",
        "UNBLOCKED force unblock from blocking operation",
        "Error running script (call to f_9): @user_script:40: -READONLY You can't write against a read only replica.",
    ],
)
def test_what_says_that_redis_cannot_serve_just_now_is_known_in_every_version(text: str) -> None:
    with pytest.raises(StoreUnavailableError), available():
        raise ResponseError(text)

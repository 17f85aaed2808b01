"""The connection has explicit time-outs, one error when Redis cannot serve, and sends no command twice."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from time import monotonic

import pytest
from redis import Redis, exceptions
from redis.exceptions import ResponseError

from tests.support.program import free_port
from tests.support.redis_server import RedisServer
from tests.workitems.lossy_proxy import LossyProxy
from workitems.base import keys
from workitems.base.errors import StoreCommandError, StoreUnavailableError
from workitems.base.redis import BLOCK_SECONDS, RedisClient, Script, connect, translating_errors
from workitems.mailboxes.checkpoint import Checkpoint, FolderRecord

ClientOf = Callable[..., RedisClient]


@pytest.mark.parametrize("blocking", [False, True])
async def test_every_time_out_is_explicit(client_of: ClientOf, blocking: bool) -> None:
    settings = client_of("redis://127.0.0.1:1", timeout=3.0, blocking=blocking).connection_pool.connection_kwargs
    assert settings["socket_timeout"] == (BLOCK_SECONDS + 3.0 if blocking else 3.0)
    assert 0 < settings["socket_connect_timeout"] <= 5.0
    assert settings["retry"].get_retries() == 0


async def test_a_blocking_read_of_an_idle_stream_does_not_raise(redis_url: str, client_of: ClientOf) -> None:
    reader = client_of(redis_url, blocking=True, timeout=1.0)
    started = monotonic()
    with translating_errors():
        assert not await reader.xread({"idle": "0-0"}, block=int(BLOCK_SECONDS * 1000))
    assert monotonic() - started >= BLOCK_SECONDS - 0.1


async def test_a_hanging_server_counts_as_unavailable_within_the_time_out(
    own_redis: RedisServer, client_of: ClientOf
) -> None:
    client, reader = client_of(own_redis.url, timeout=0.3), client_of(own_redis.url, timeout=0.3, blocking=True)
    await client.ping()
    await reader.ping()
    assert own_redis.process is not None
    os.kill(own_redis.process.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(BLOCK_SECONDS + 5):
            with pytest.raises(StoreUnavailableError, match="Redis cannot serve: "), translating_errors():
                await client.ping()
            with pytest.raises(StoreUnavailableError), translating_errors():
                await reader.xread({"idle": "0-0"}, block=100)
    finally:
        os.kill(own_redis.process.pid, signal.SIGCONT)
    assert await client.ping()  # a late answer is not given to another command
    assert await client.get("nothing") is None


async def test_many_callers_wait_for_the_few_connections(redis_url: str, client_of: ClientOf) -> None:
    client = client_of(redis_url, max_connections=2)
    with translating_errors():
        assert all(await asyncio.gather(*(client.ping() for _ in range(300))))


async def test_many_callers_of_a_hanging_server_get_an_error_in_time(
    own_redis: RedisServer, client_of: ClientOf
) -> None:
    client = client_of(own_redis.url, timeout=0.3, max_connections=2)
    await client.ping()
    assert own_redis.process is not None
    os.kill(own_redis.process.pid, signal.SIGSTOP)

    async def away() -> None:
        with pytest.raises(StoreUnavailableError), translating_errors():
            await client.ping()

    try:
        async with asyncio.timeout(5):
            await asyncio.gather(*(away() for _ in range(50)))
    finally:
        os.kill(own_redis.process.pid, signal.SIGCONT)
    assert await client.ping()


async def test_a_server_that_refuses_connections_is_unavailable(client_of: ClientOf, tmp_path: object) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and no other process gets the port
        for url in (f"redis://127.0.0.1:{taken.getsockname()[1]}", f"unix://{tmp_path}/none.sock"):
            with pytest.raises(StoreUnavailableError), translating_errors():
                await client_of(url).ping()


async def test_the_error_contains_no_password(client_of: ClientOf) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(StoreUnavailableError) as error, translating_errors():
            await client_of(f"redis://:hunter2@127.0.0.1:{taken.getsockname()[1]}").ping()
    assert "hunter2" not in str(error.value)


async def test_a_command_whose_answer_was_lost_is_not_sent_again(
    redis_server: RedisServer, redis_url: str, client_of: ClientOf
) -> None:
    async with LossyProxy(redis_server) as way:
        client = client_of(way.url)
        await client.set("n", 0)
        way.lose = b"INCR"
        with pytest.raises(StoreUnavailableError), translating_errors():
            await client.incr("n")
        with pytest.raises(StoreUnavailableError), translating_errors():
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


async def test_answers_have_one_shape(redis: RedisClient) -> None:
    await redis.xadd("s", {"a": "b"}, id="1-1")
    assert await redis.xread({"s": "0-0"}) == [[b"s", [(b"1-1", {b"a": b"b"})]]]
    await redis.hset("h", "a", "b")
    assert await redis.hgetall("h") == {b"a": b"b"}


@pytest.mark.parametrize(
    ("command", "code"),
    [(("CONFIG", "SET", "maxmemory", "1"), "OOM"), (("REPLICAOF", "127.0.0.1", "1"), "READONLY")],
)
@pytest.mark.parametrize("inside_lua", [False, True])
async def test_a_server_that_is_full_or_read_only_is_unavailable(
    own_redis: RedisServer, client_of: ClientOf, command: tuple[str, ...], code: str, inside_lua: bool
) -> None:
    client = client_of(own_redis.url)
    await client.execute_command(*command)
    with pytest.raises(StoreUnavailableError, match=f"Redis cannot serve: {code} "), translating_errors():
        await (client.eval("return redis.call('SET', 'a', 'b')", 0) if inside_lua else client.set("a", "b"))


async def test_a_loading_server_is_unavailable(binary: str | None, client_of: ClientOf) -> None:
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
        assert any("LOADING" in reason for reason in reasons), reasons
        assert await client_of(slow.url).get("key:4095") == b"4095"
    finally:
        slow.stop()


async def _why_away(client: RedisClient) -> str:
    try:
        with translating_errors():
            await client.get("key:1")
    except StoreUnavailableError as error:
        return str(error)
    return ""


async def test_a_wrong_command_is_a_programming_error_and_not_an_unavailable_redis(redis: RedisClient) -> None:
    await redis.set("text", "BOOM, ROOM, LOADING")
    with pytest.raises(StoreCommandError, match="WRONGTYPE"), translating_errors():
        await redis.xlen("text")
    with pytest.raises(StoreCommandError, match="wrong number of arg"), translating_errors():
        await redis.execute_command("GET")
    for script in ("local none; return none.field", "return redis.call('GET')", "return redis.call('XLEN', 'text')"):
        with pytest.raises(StoreCommandError), translating_errors():
            await redis.eval(script, 0)
    with pytest.raises(StoreCommandError, match="DataError"), translating_errors():
        await redis.set("a", {})  # redis-py cannot encode it


async def test_a_script_that_redis_forgot_is_sent_again(redis: RedisClient) -> None:
    mailbox = FolderRecord(redis, "claims")
    await mailbox.set_checkpoint(Checkpoint(7, 1))
    assert await mailbox.advance_checkpoint(7, 2)
    await redis.script_flush()
    assert await mailbox.advance_checkpoint(7, 3)
    assert await mailbox.checkpoint() == Checkpoint(7, 3)


async def test_a_script_gets_its_arguments_unchanged(
    redis: RedisClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["", b"\x00\r\n12 3", "3\n", 0, -7, 1.5, "é\U0001f600", *map(str, range(5_000)), "x" * 100_000, ""]
    (tmp_path / "echo.lua").write_text("return ARGV")
    (tmp_path / "feed.lua").write_bytes(files("workitems").joinpath("feed/feed.lua").read_bytes())
    monkeypatch.setattr("workitems.base.redis.files", lambda _: tmp_path)
    found = await Script("feed.lua", "echo.lua")(redis, keys.FEED, arguments)
    assert found == [each if isinstance(each, bytes) else str(each).encode() for each in arguments]


def test_a_client_connects_only_with_its_first_command() -> None:
    assert connect("redis://127.0.0.1:1") is not None


@pytest.mark.parametrize(
    "text",
    [
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Errors writing to the AOF file: No space left on device",
        "UNBLOCKED force unblock from blocking operation",
        "Error running script (call to f_9): @user_script:40: -READONLY You can't write against a read only replica.",
        *(
            f"Error running script (call to f_9c): @user_script:61: @user_script: 61: {said}"
            for said in (
                "-READONLY You can't write against a read only replica.",
                "-OOM command not allowed when used memory > 'maxmemory'.",
                "-MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.",
                "-NOPERM The user executing the script can't run this command or subcommand",
                "The user executing the script can't run this command or subcommand",
                "Unknown Redis command called from Lua script",
            )
        ),
        "NOPERM this user has no permissions to run the 'info' command",
        "ERR The user executing the script can't run this command or subcommand script: 1f, on @user_script:1.",
        "ERR ACL failure in script: User u has no permissions to run the 'info' command script: on @user_script:1.",
        "NOGOODSLAVE a code that nobody knows",
        "ERR unknown command 'XADD'",
        "ERR DB index is out of range",
        "ERR max daily request limit exceeded",
    ],
)
def test_errors_of_every_version_that_mean_unavailable_are_known(text: str) -> None:
    with pytest.raises(StoreUnavailableError), translating_errors():
        raise ResponseError(text)


@pytest.mark.parametrize(
    "said",
    [
        "-WRONGTYPE Operation against a key holding the wrong kind of value",
        "-ERR value is not an integer or out of range",
        "Wrong number of args calling Redis command From Lua script",
        "user_script:61: attempt to index a nil value (local 'none')",
    ],
)
def test_a_script_that_is_wrong_is_known_on_redis_6_too(said: str) -> None:
    with pytest.raises(StoreCommandError), translating_errors():
        raise ResponseError(f"Error running script (call to f_9c): @user_script:61: @user_script: 61: {said}")


@pytest.mark.parametrize(
    "command",
    [("AUTH", "secret", "hunter2"), ("NOSUCH", "hunter2"), ("EVAL", "return redis.call('NOSUCH')", 0, "hunter2")],
)
async def test_the_reason_is_what_redis_said_without_arguments(redis: RedisClient, command: tuple[str, ...]) -> None:
    with pytest.raises(StoreUnavailableError) as single, translating_errors():
        await redis.execute_command(*command)
    with pytest.raises(StoreUnavailableError) as several, translating_errors():
        async with redis.pipeline(transaction=False) as pipe:
            await pipe.set("hunter2", "hunter2").execute_command(*command).execute()
    for error in (single.value, several.value):
        assert "hunter2" not in str(error)
        assert "Command #" not in str(error)
        assert str(error).startswith(("Redis cannot serve: WRONGPASS ", "Redis cannot serve: ERR ")), str(error)


async def test_the_reason_is_one_short_line_whatever_the_server_answers(client_of: ClientOf) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"-\x1b[31mERR " + b"\xf0\x9f\x98\x80 " * 5000 + b"\r\n" * 3)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        with pytest.raises(StoreUnavailableError) as error, translating_errors():
            await client_of(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}").get("a")
    finally:
        server.close()
    assert len(str(error.value)) < 250
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"+OK POP3 ready\r\n",
        b"220 mail ESMTP\r\n",
        b":1\r\n",
        b"*0\r\n",
        b"\0\1",
        b"-MOVED\r\n",
        b"-ASK 1\r\n",
    ],
)
async def test_a_server_that_is_no_redis_is_unavailable(client_of: ClientOf, greeting: bytes) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(1 << 16):
                writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    client = client_of(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=2.0)
    try:
        for call in (client.get("a"), client.xinfo_stream("a"), client.hgetall("a"), client.xread({"a": "0"})):
            with pytest.raises(StoreUnavailableError), translating_errors():
                await call
    finally:
        server.close()


async def _connections(redis: RedisClient) -> set[str]:
    return {str(each["id"]) for each in await redis.client_list()}


@pytest.mark.parametrize("inside_lua", [False, True])
async def test_a_server_that_became_a_replica_loses_all_our_connections(
    own_redis: RedisServer, client_of: ClientOf, inside_lua: bool
) -> None:
    client, other = client_of(own_redis.url), client_of(own_redis.url)
    await asyncio.gather(*(client.ping() for _ in range(5)))
    waiting = asyncio.create_task(client.blpop("nothing", 30))
    while not any(each["cmd"] == "blpop" for each in await other.client_list()):
        await asyncio.sleep(0.01)
    await other.execute_command("REPLICAOF", "127.0.0.1", "1")  # also ends the commands that wait
    with pytest.raises(exceptions.RedisError):
        await waiting
    before = await _connections(other)
    with pytest.raises(StoreUnavailableError, match="READONLY"), translating_errors():
        await (client.eval("return redis.call('SET', 'a', 'b')", 0) if inside_lua else client.set("a", "b"))
    await client.ping()
    async with asyncio.timeout(10):
        while len(await _connections(other) & before) > 1:  # that of *other*
            await asyncio.sleep(0.01)


async def test_a_read_that_waits_ends_when_another_command_finds_a_replica(
    own_redis: RedisServer, client_of: ClientOf
) -> None:
    client, other = client_of(own_redis.url, blocking=True), client_of(own_redis.url)
    await other.execute_command("REPLICAOF", "127.0.0.1", "1")
    waiting = asyncio.create_task(client.xread({"nothing": "0"}, block=5000))
    while not any(each["cmd"] == "xread" for each in await other.client_list()):
        await asyncio.sleep(0.01)
    with pytest.raises(StoreUnavailableError, match="READONLY"), translating_errors():
        await client.set("a", "b")
    begun = monotonic()
    with pytest.raises(StoreUnavailableError), translating_errors():
        await waiting
    assert monotonic() - begun < BLOCK_SECONDS - 1
    await other.execute_command("REPLICAOF", "NO", "ONE")
    assert await client.set("a", "b")


async def test_a_full_redis_keeps_our_connections(own_redis: RedisServer, client_of: ClientOf) -> None:
    client = client_of(own_redis.url)
    await client.config_set("maxmemory", 1)
    before = await _connections(client)
    with pytest.raises(StoreUnavailableError, match="OOM"), translating_errors():
        await client.set("a", "b")
    assert await _connections(client) == before


async def test_connections_are_not_closed_under_a_command_that_is_sent(binary: str | None, client_of: ClientOf) -> None:
    port = free_port()
    server = RedisServer(None, binary, "--port", str(port)).start()
    try:
        client = client_of(f"redis://127.0.0.1:{port}", max_connections=10)
        reasons = set[str]()

        async def use() -> None:
            for n in range(60):
                try:
                    with translating_errors():
                        await client.set("a", "b" * 10_000)
                except StoreUnavailableError as error:
                    reasons.add(str(error))
                if n % 5 == 0:
                    client.connection_pool.is_outdated = True

        await asyncio.gather(*(use() for _ in range(40)))
        assert {reason for reason in reasons if "closed" not in reason} == set()
        assert await client.echo("mine") == b"mine", "no answer belongs to another command"
    finally:
        server.stop()

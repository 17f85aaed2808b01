"""The connection to Redis: explicit time-outs, one shape of answers, one error when it is unavailable."""

import hashlib
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from workitems.base import keys
from workitems.base.errors import StoreCommandError, StoreUnavailableError
from workitems.base.statuses import CLOSED_STATUSES

#: redis-py annotates every shape of answer at once; ours is fixed by `connect`: RESP2, bytes.
RedisClient: TypeAlias = Any
ScriptArgument = str | bytes | int | float

#: Seconds to reach the server.
CONNECT_TIMEOUT = 5.0

#: Seconds that a blocking read may wait on the server; far below the socket's own time-out, which would raise instead.
BLOCK_SECONDS = 5.0

#: Keys that one step of a scan looks at: less than a millisecond for Redis.
_SCANNED_KEYS = 500

#: The longest text in characters that is repeated from Redis.
_MAX_WORDS = 160

#: Answers of a server that is no primary any more, or not yet. Behind one address another server may be the primary
#: now, but connections that are open stay with the old one.
_OTHER_PRIMARY = {"READONLY", "MASTERDOWN", "UNBLOCKED", "LOADING", "MOVED", "ASK", "CLUSTERDOWN"}

#: Answers that no other time, server or right changes, if they have no code but ERR. Every other error means that
#: Redis cannot serve us now. Redis 6 repeats the line of the script before its words.
_COMMAND_IS_WRONG = re.compile(
    r"user_script: ?\d+: (?!@?user_script: ?\d+: |-|the user executing|unknown redis command)"
    r"|wrong number of arg|syntax error|is not an integer|is not a valid float|invalid stream id|id specified in xadd",
    re.IGNORECASE,
)
#: The code of an error inside a script: Redis 6 writes it after the line of the script.
_NESTED_CODE = re.compile(r"Error running script \(.*?\): (?:@?user_script: ?\d+: )*-?([A-Z]{3,}) ")

#: redis-py repeats a command of a pipeline, whose arguments may be secret; the group is what Redis said.
_IN_PIPELINE = re.compile(r"Command # .* of pipeline caused error: \(['\"](.*)['\"],?\)", re.DOTALL)
#: What Redis adds to its words: the arguments of a command, and where a script stopped.
_AFTER_WORDS = re.compile(
    r",? with args beginning with.*| script: (?:[0-9a-f]{40}, )?on @user_script:\d+\.$", re.DOTALL
)


class _Guard:
    """What we add to each class of connections of redis-py; the pool sets `pool`."""

    pool: "_Pool"
    #: Calls that are sending: redis-py must not close a connection under them.
    sending = 0

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        """Set up a new connection, and make sure that a Redis is at its other end."""
        await super().on_connect_check_health(check_health)  # type: ignore[misc]
        await self.send_command("PING", check_health=False)  # type: ignore[attr-defined]
        if await self.read_response() != b"PONG":
            raise exceptions.ConnectionError("the server does not answer as Redis does")

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        """Send commands, and connect before that if necessary."""
        self.sending += 1
        try:
            await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]
        finally:
            self.sending -= 1

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read an answer. One that shows that the primary may be another server ends the pool's connections."""
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except exceptions.RedisError as error:
            if _code(error) in _OTHER_PRIMARY:
                self.pool.is_outdated = True
            raise
        except ValueError as error:  # redis-py cannot parse what should be a redirection or text
            raise exceptions.InvalidResponse("the server does not answer as Redis does") from error


@cache
def _guarded(connection_class: type) -> type:
    return type(connection_class.__name__, (_Guard, connection_class), {})


class _Pool(BlockingConnectionPool):
    """A pool that closes all its connections when its server is no primary any more: the next command connects anew."""

    def __init__(self, *, connection_class: type = Connection, **kwargs: Any) -> None:
        super().__init__(connection_class=_guarded(connection_class), **kwargs)
        #: Whether the connections must be closed; and all of them, at most `max_connections`.
        self.is_outdated = False
        self._made: list[Any] = []

    def make_connection(self) -> Any:
        connection = super().make_connection()  # type: ignore[no-untyped-call]
        connection.pool = self
        self._made.append(connection)
        return connection

    async def release(self, connection: Any) -> None:
        await super().release(connection)
        if self.is_outdated:
            self.is_outdated = False
            for each in self._made:  # those in use too: a blocking read would wait on the old server
                if each.sending:
                    each.mark_for_reconnect()  # it is closed when it comes back
                else:
                    with suppress(exceptions.RedisError, OSError):
                        await each.disconnect(nowait=True)


def connect(url: str, *, timeout: float = 5.0, blocking: bool = False, max_connections: int = 50) -> RedisClient:
    """Return a client for `redis://`, `rediss://` or `unix://`. It connects with its first command.

    *blocking*: for XREAD and XREADGROUP with BLOCK, whose answer may take BLOCK seconds by design. redis-py would
    repeat a command whose answer was lost. Not all of ours are repeatable, so it never does; the caller decides.
    While all *max_connections* are busy, more callers wait up to *timeout* seconds: many at once are no failure.
    """
    pool = _Pool.from_url(
        url,
        timeout=timeout,
        protocol=2,
        decode_responses=False,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=BLOCK_SECONDS + timeout if blocking else timeout,
        retry=Retry(NoBackoff(), 0),
        max_connections=max_connections,
        **({} if url.startswith("unix:") else {"socket_keepalive": True}),
    )
    return Redis.from_pool(pool)


@contextmanager
def translating_errors() -> Iterator[None]:
    """Raise StoreUnavailableError for every error of Redis, and StoreCommandError where a command of ours is wrong."""
    try:
        yield
    except (exceptions.RedisError, OSError) as error:
        words = error_words(error)
        if isinstance(error, exceptions.DataError) or _is_command_wrong(error):
            raise StoreCommandError(f"Redis refused a command: {words}") from error
        raise StoreUnavailableError(f"Redis cannot serve: {words}") from error


def _is_command_wrong(error: BaseException) -> bool:
    if not isinstance(error, exceptions.ResponseError):
        return False
    code = _code(error)
    return code == "WRONGTYPE" or (code == "ERR" and bool(_COMMAND_IS_WRONG.search(_said(error))))


def error_words(error: BaseException) -> str:
    """Return what Redis said, with its error code, in one short line without arguments of commands."""
    if type(error) is exceptions.ConnectionError and isinstance(error.__cause__, exceptions.RedisError):
        error = error.__cause__  # redis-py wraps what the first commands on a Unix socket raise
    said = _said(error)
    words = "".join(each if each.isprintable() else "?" for each in said)[:_MAX_WORDS]
    if isinstance(error, exceptions.RedisError) and (code := _code(error)):
        return words if words.startswith(code) else f"{code} {words}"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _said(error: BaseException) -> str:
    text = str(error)
    in_pipeline = _IN_PIPELINE.fullmatch(text)
    return " ".join(_AFTER_WORDS.sub("", in_pipeline[1] if in_pipeline else text).split())


def _code(error: exceptions.RedisError) -> str:
    """Return the error code of an answer of Redis, such as READONLY; '' for an error that is no answer."""
    if not isinstance(error, exceptions.ResponseError):
        return error.status_code or ""
    if error.status_code not in (None, "ERR"):
        return str(error.status_code)
    said = _said(error)
    found = _NESTED_CODE.match(said) or re.match(r"([A-Z]{3,}) ", said)
    return found[1] if found else "ERR"


async def scan_keys(
    redis: RedisClient, pattern: str = keys.PREFIX + "*", kind: str | None = None
) -> AsyncGenerator[list[bytes], None]:
    """Yield the names of our keys, some at a time; a name may come twice. Raises StoreUnavailableError.

    *kind*: only keys with such a value, such as `hash`.
    """
    cursor = 0
    while True:
        with translating_errors():
            cursor, found = await redis.scan(cursor, match=pattern, count=_SCANNED_KEYS, _type=kind)
        if found:
            yield found
        if not cursor:
            return


#: What every script gets from Python: Lua must not define again what must be the same on both sides.
_PRELUDE = f"local CLOSED = {{ {', '.join(f'{status} = true' for status in CLOSED_STATUSES)} }}"

#: A command in a script, and the first argument if it is a word. INFO is left out: a script can do without it.
_COMMAND = re.compile(r"redis\.p?call\('(?!INFO)([A-Z]+)'(?:, '([A-Z]+)')?")

#: A script stops where a command is refused, and what it wrote until then stays. So it checks its rights first, where
#: Redis can do that (7.0).
_CHECK_RIGHTS = """
if redis.acl_check_cmd then
  for _, command in ipairs({ %s }) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply('NOPERM this user may not run ' .. string.lower(command[1]))
    end
  end
end
"""


def _check_rights(text: str) -> str:
    """Return Lua that ends a script when the user may not run one of its commands."""
    commands = set()
    for name, argument in _COMMAND.findall(text):
        first = {"PUBLISH": f"'{keys.CHANNEL}', ", "XINFO": f"'{argument}', "}.get(name, "")
        commands.add(f"{{ '{name}', {first}KEYS[1], KEYS[1], KEYS[1], KEYS[1] }}")  # DEL takes several keys
    return _CHECK_RIGHTS % ", ".join(sorted(commands))


class Script:
    """A Lua script beside its Python file, called by its digest; its text is sent again when Redis lost it."""

    def __init__(self, *names: str) -> None:
        """*names*: `.lua` files of this package, joined in this order; the last one uses what the others define."""
        texts = [files("workitems").joinpath(name).read_text(encoding="utf-8") for name in names]
        self._text = "\n".join([_PRELUDE, _check_rights("\n".join(texts)), *texts])
        self._digest = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: RedisClient, key: str, arguments: Sequence[ScriptArgument]) -> Any:
        """Run it on the slot of *key*. Raises StoreUnavailableError, StoreCommandError."""
        with translating_errors():
            try:
                return await redis.evalsha(self._digest, 1, key, *arguments)
            except exceptions.NoScriptError:
                return await redis.eval(self._text, 1, key, *arguments)

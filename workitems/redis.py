"""The connection to Redis: every time-out explicit, one shape of answers, one error when it is away."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, TypeAlias

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from workitems.errors import StoreUnavailableError

#: redis-py annotates every shape of answer at once; ours is fixed by `connect`: RESP2, bytes.
Client: TypeAlias = Any
Argument = str | bytes | int | float

#: Seconds to reach the server.
CONNECT_TIMEOUT = 5.0

#: Seconds that a blocking read may wait on the server; far below the socket's own time-out, which would raise instead.
BLOCK = 5.0

#: What Redis says when it cannot serve just now. Nothing was written: scripts validate first and append first.
_AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,
    OSError,
)
#: The same as the first word of an error, or of one that a script met (Redis 6 tells it behind a colon).
_AWAY_CODE = re.compile(
    r"(?:^|: -?)(?:OOM|READONLY|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|UNBLOCKED|TRYAGAIN|CLUSTERDOWN)\b"
)


def connect(url: str, *, timeout: float = 5.0, blocking: bool = False, most: int = 50) -> Client:
    """A client for `redis://`, `rediss://` or `unix://`. It connects with its first command.

    *blocking*: for XREAD and XREADGROUP with BLOCK, whose answer may take BLOCK seconds by design. redis-py would
    repeat a command whose answer was lost; ours are not all repeatable, so it never does: the caller decides.
    While all *most* connections are busy further callers wait, up to *timeout*: a crowd that comes back is no failure.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        timeout=timeout,
        protocol=2,
        decode_responses=False,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=BLOCK + timeout if blocking else timeout,
        retry=Retry(NoBackoff(), 0),
        max_connections=most,
        **({} if url.startswith("unix:") else {"socket_keepalive": True}),
    )
    return Redis.from_pool(pool)


@contextmanager
def available() -> Iterator[None]:
    """Turns whatever Redis or the way to it says when it cannot serve into StoreUnavailableError."""
    try:
        yield
    except _AWAY as error:
        raise StoreUnavailableError(f"Redis cannot serve: {_reason(error)}") from error
    except exceptions.ResponseError as error:
        if _AWAY_CODE.search(str(error)):
            raise StoreUnavailableError(f"Redis cannot serve: {_reason(error)}") from error
        raise


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:120]}" if str(error) else type(error).__name__


class Script:
    """A Lua script beside its Python file, called by its digest; the text is sent again when Redis forgot it."""

    def __init__(self, *names: str) -> None:
        """*names* of `.lua` files of this package, joined in this order: the first ones define, the last one acts."""
        self._text = "\n".join(files("workitems").joinpath(name).read_text(encoding="utf-8") for name in names)
        self._digest = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Client, key: str, arguments: Sequence[Argument]) -> Any:
        """Run it on the slot of *key*. Raises StoreUnavailableError when Redis is away."""
        packed = pack(arguments)
        with available():
            try:
                return await redis.evalsha(self._digest, 1, key, packed)
            except exceptions.NoScriptError:
                return await redis.eval(self._text, 1, key, packed)


def pack(arguments: Sequence[Argument]) -> bytes:
    """All arguments of a script as one, which feed.lua takes apart: a line of their lengths in bytes, then they.

    One mail has thirty, and redis-py takes 1.5 µs for each.
    """
    parts = [each if isinstance(each, bytes) else str(each).encode() for each in arguments]
    return b"%b\n%b" % (b" ".join([b"%d" % len(part) for part in parts]), b"".join(parts))


async def run_id(redis: Client) -> str:
    """Which run of Redis answers: another one after every start, with or without a loss."""
    with available():
        info = await redis.info("server")
    return str(info["run_id"])

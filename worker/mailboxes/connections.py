"""Opens connections: to one host one after another, and without repeating a sign-in that was refused.

Servers refuse a client that opens many connections at once, and lock out one that tries a wrong password often.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.imap import Account, Connection, LoginRefusedError, connect
from workitems.base.backoff import delay

#: Seconds between two connections to the same host.
MIN_CONNECT_GAP_SECONDS = 0.2

#: Seconds after which a connection that is still being made no longer delays others to its host.
LONGEST_TURN = 5.0

#: The shortest and the longest wait in seconds after a refused sign-in: only a person can change that.
SIGN_IN_BASE, SIGN_IN = 120.0, 600.0


class HostConnectLimiter:
    """Lets one connection at a time be made to each host, *apart* seconds after the last. One for each process."""

    def __init__(self, apart: float = MIN_CONNECT_GAP_SECONDS) -> None:
        self._apart = apart
        self._hosts: dict[str, asyncio.Lock] = {}
        self._last: dict[str, float] = {}

    @asynccontextmanager
    async def wait_turn(self, host: str) -> AsyncIterator[None]:
        """Wait until it is our turn. It lasts until the block ends, LONGEST_TURN seconds at most."""
        loop, lock = asyncio.get_running_loop(), self._hosts.setdefault(host, asyncio.Lock())
        await lock.acquire()
        over = asyncio.Event()

        def end() -> None:
            if not over.is_set():
                over.set()
                lock.release()

        limit = loop.call_later(LONGEST_TURN + self._apart, end)
        try:
            since = loop.time() - self._last.get(host, -self._apart)
            await asyncio.sleep(max(0.0, self._apart - since) * random.uniform(0.8, 1.2))  # noqa: S311  nothing secret
            self._last[host] = loop.time()
            yield
        finally:
            limit.cancel()
            end()


class AccountConnector:
    """Connects to one account, for all its folders: a sign-in that was refused for one is not tried for the others."""

    def __init__(self, host_limiter: HostConnectLimiter | None = None) -> None:
        self._host_limiter = host_limiter or HostConnectLimiter()
        self._refusal: LoginRefusedError | None = None
        self._refusals = 0
        self._retry_at = 0.0

    async def connect(self, account: Account) -> Connection:
        """Return a signed-in connection. Raises ImapError, and LoginRefusedError at once until `retry_after` is 0."""
        self._check()
        async with self._host_limiter.wait_turn(account.host):
            self._check()
            try:
                connection = await connect(account)
            except LoginRefusedError as error:
                self._refused(error)
                raise
        self._refusal, self._refusals = None, 0
        return connection

    @property
    def retry_after(self) -> float:
        """Seconds until a refused sign-in may be tried again; 0 when none was refused."""
        return max(0.0, self._retry_at - asyncio.get_running_loop().time()) if self._refusal else 0.0

    def _check(self) -> None:
        if self._refusal and self.retry_after:
            raise self._refusal.with_traceback(None)

    def _refused(self, error: LoginRefusedError) -> None:
        self._refusal = error
        seconds = SIGN_IN_BASE + delay(self._refusals, base=SIGN_IN_BASE / 4, cap=SIGN_IN - SIGN_IN_BASE)
        self._retry_at = asyncio.get_running_loop().time() + seconds
        self._refusals += 1

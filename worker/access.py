"""The way into mailboxes: connections to one host are made one after another, and a refused sign-in is not repeated.

Servers refuse those who come with many connections at once, and lock out those who try a wrong password often.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.imap import Account, Connection, LoginRefusedError, connect
from workitems.backoff import delay

#: Seconds between two connections to the same host.
APART = 0.2

#: Seconds after which a connection that is still being made no longer keeps others of its host waiting.
LONGEST_TURN = 5.0

#: The shortest and the longest wait in seconds after a refused sign-in: it stands until a person acts.
SIGN_IN_BASE, SIGN_IN = 120.0, 600.0


class Turns:
    """Who may connect now: one at a time for each host, *apart* seconds after the one before. One for a process."""

    def __init__(self, apart: float = APART) -> None:
        self._apart = apart
        self._hosts: dict[str, asyncio.Lock] = {}
        self._last: dict[str, float] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for the turn, and have it until the block ends, LONGEST_TURN seconds at most."""
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


class Access:
    """The way into one account, for all its folders: what one of them is refused the others need not try."""

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns or Turns()
        self._refusal: LoginRefusedError | None = None
        self._refusals = 0
        self._again = 0.0

    async def connect(self, account: Account) -> Connection:
        """A signed-in connection. Raises ImapError; LoginRefusedError, without a try, until `wait` is over."""
        self._check()
        async with self._turns.turn(account.host):
            self._check()
            try:
                connection = await connect(account)
            except LoginRefusedError as error:
                self._refused(error)
                raise
        self._refusal, self._refusals = None, 0
        return connection

    @property
    def wait(self) -> float:
        """Seconds until a refused sign-in may be tried again; 0 when none was refused."""
        return max(0.0, self._again - asyncio.get_running_loop().time()) if self._refusal else 0.0

    def _check(self) -> None:
        if self._refusal and self.wait:
            raise self._refusal.with_traceback(None)

    def _refused(self, error: LoginRefusedError) -> None:
        self._refusal = error
        seconds = SIGN_IN_BASE + delay(self._refusals, base=SIGN_IN_BASE / 4, cap=SIGN_IN - SIGN_IN_BASE)
        self._again = asyncio.get_running_loop().time() + seconds
        self._refusals += 1

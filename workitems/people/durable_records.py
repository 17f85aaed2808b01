"""Records that survive a total loss of Redis: a set of them is a file beside the mail, and a hash in Redis for reading.

The file is `<data>/mail/.tubepost/<name>`. The revision rises with every change; the hash has it under the name ''. Of
two copies that differ the one with the higher revision is right: docs/decisions/0007-users-and-keys-beside-the-mail.md
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from workitems.base import failpoint, keys
from workitems.base.errors import StoreUnavailableError
from workitems.base.log import get_logger
from workitems.base.redis import RedisClient, Script, translating_errors
from workitems.base.threads import Threads
from workitems.mailstore import durable_files
from workitems.people.record_file import Copy, RecordFile, choose

log = get_logger("accounts")

#: Seconds that one comparison may take.
COMPARE_SECONDS = 5.0

#: Seconds before a reader tries another comparison after one that failed: a broken disk must not hold up sign-ins.
RETRY_SECONDS = 5.0

#: The revision of a process that has not compared the two copies yet.
_NOT_COMPARED = -1

_replace = Script("feed/feed.lua", "people/replace.lua")

P = ParamSpec("P")
T = TypeVar("T")


class DurableRecords:
    """One set of records. Every method raises StoreUnavailableError."""

    def __init__(
        self,
        redis: RedisClient,
        key: str,
        path: Path,
        *,
        threads: Threads,
        check_store: Callable[[], Awaitable[object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*key*: the hash in Redis. *check_store* raises when *path* is not on the mail store that Redis knows."""
        self._redis = redis
        self._key = key
        self._name = path.name
        self._file = RecordFile(path)
        self._threads = threads
        self._check_store = check_store
        self._clock = clock
        self._comparing = asyncio.Lock()
        self._revision = _NOT_COMPARED
        self._retry_at, self._failure = 0.0, StoreUnavailableError()
        self._looks: tuple[object, ...] | None = None

    async def get(self, name: str) -> str | None:
        """Return one record. A hash with another revision than this process knows is compared with the file first."""
        revision, record = await self._ask(name)
        if revision != self._revision:
            async with self._comparing:  # many ask at once: the first compares
                revision, record = await self._ask(name)
                if revision != self._revision and await self._can_compare(revision, record):
                    _, record = await self._ask(name)
        return record

    async def read_all(self) -> dict[str, str]:
        """Return all records as Redis has them."""
        return (await self._hashed()).records

    async def compare(self) -> None:
        """Make hash and file the same; read them only when one of them looks otherwise than at the last time."""
        async with self._comparing, self._in_time():
            await self._check_store()
            looks = await self._look()
            if looks != self._looks:
                await self._compare()
                self._looks = looks

    async def change(self, edit: Callable[[dict[str, str]], T]) -> T:
        """Have *edit* change the records and return what it returns. The change is on the disk when this returns.

        When Redis stops to answer in between, it gets the change with the next comparison.
        """
        async with self._comparing:
            async with self._in_time():
                await self._compare()
            result, stored = await self._run_in_thread(self._file.edit, edit)
            failpoint.reach("records")
            self._revision = stored.revision
            try:
                await self._push(stored)
            except StoreUnavailableError as error:
                log.warning("stored beside the mail, but not in Redis yet", records=self._name, reason=str(error))
        return result

    async def _ask(self, name: str) -> tuple[int, str | None]:
        """Return the revision of the hash and one of its records."""
        with translating_errors():
            revision, record = await self._redis.hmget(self._key, "", name)
        return _number(revision), None if record is None else _text(record)

    async def _look(self) -> tuple[object, ...]:
        """Return revision and length of the hash, and the identity of the file."""
        with translating_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hget(self._key, "")
                pipe.hlen(self._key)
                hashed = await pipe.execute()
        return *hashed, await self._run_in_thread(self._file.identify)

    async def _can_compare(self, revision: int, record: str | None) -> bool:
        """Compare. When that fails, return False if the hash can be trusted by itself; else raise."""
        if self._clock() >= self._retry_at:
            try:
                async with self._in_time():
                    await self._compare()
            except StoreUnavailableError as error:
                self._retry_at, self._failure = self._clock() + RETRY_SECONDS, error
            else:
                return True
        # An older hash may have what was removed since, and an empty one may have lost all.
        if revision < self._revision or (revision == 0 and record is None):
            raise self._failure.with_traceback(None)
        self._revision = revision
        return False

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(COMPARE_SECONDS):
                yield
        except TimeoutError:
            message = f"{self._name} in Redis and beside the mail could not be compared in {COMPARE_SECONDS:.0f} s"
            raise StoreUnavailableError(message) from None

    async def _compare(self) -> None:
        await self._check_store()
        hashed, stored = await self._hashed(), await self._run_in_thread(self._file.load)
        chosen = choose(hashed, stored)
        if chosen.revision < self._revision:
            raise StoreUnavailableError(
                f"the newest {self._name} are neither in Redis nor in the mail store: the programs that have it load "
                "them. After a restore of an older backup, restart this process"
            )
        if chosen != stored:
            chosen = await self._run_in_thread(self._file.renew, chosen)
            log.info("stored beside the mail", records=self._name, count=len(chosen.records))
        if chosen != hashed:
            await self._push(chosen)
        if chosen.records != hashed.records:
            log.warning("loaded into Redis from the mail store", records=self._name, count=len(chosen.records))
        self._revision, self._retry_at = chosen.revision, 0.0

    async def _hashed(self) -> Copy:
        with translating_errors():
            found = await self._redis.hgetall(self._key)
        revision = _number(found.pop(b"", None))
        return Copy(revision, {_text(name): _text(record) for name, record in found.items()})

    async def _push(self, stored: Copy) -> None:
        records = [text for pair in stored.records.items() for text in pair]
        await _replace(self._redis, keys.FEED, [self._key.removeprefix(keys.PREFIX), stored.revision, *records])

    async def _run_in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with durable_files.translating_disk_errors():
            return await self._threads.run_within(None, work, *args, **kwargs)  # `_in_time` ends the wait


def _number(raw: bytes | None) -> int:
    try:
        return int(raw or 0)
    except ValueError:
        return 0


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")

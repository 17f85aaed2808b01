"""Many real clients of a running Tubepost, and what each of them saw beside what was published (docs/delivery.md)."""

import asyncio
import os
import resource
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import orjson
import pytest

from tests.faults.checker import History, Verdict, check
from tests.faults.conftest import TOKEN
from tests.faults.publisher import Publisher
from tests.support.follower import Follower
from tests.support.record import Record, Told
from tests.support.watching_pages import WatchingPages
from workitems import keys
from workitems.store import Store
from workitems.tasks import end

#: Clients of each scenario, those in Chromium among them, and seconds for which it lasts.
CLIENTS = int(os.environ.get("DELIVERY_CLIENTS", "200"))
SECONDS = float(os.environ.get("DELIVERY_SECONDS", "5"))

#: Pages in Chromium: with stream.js, and with a plain EventSource.
OURS, PLAIN = 2, 1

#: Every so many-th of the other clients is a plain one, too.
_EVERY = 10

#: Seconds in which everybody must be there, and must have been told everything at the end.
PATIENCE = 60.0

#: Marks of every test with so many clients: one of them at a time, and with time for a slow machine.
MARKS = [pytest.mark.xdist_group("delivery"), pytest.mark.timeout(seconds=SECONDS + 170)]

#: What the server under test needs: all clients have one address, and come back at once.
STREAM = "[stream]\nopens = 100000\nheartbeat = 5\n"


class Delivery:
    """Clients follow through `port` while entered; `publisher` brings events, each with *preview* characters of text.

    *plain*: all of them are plain clients, none in Chromium.
    """

    def __init__(
        self, port: int, redis_url: str, *, headers: dict[str, str] | None = None, preview: int = 0, plain: bool = False
    ) -> None:
        self._stack = AsyncExitStack()
        self.publisher = Publisher(redis_url, preview=preview)
        self._pages = None if plain else WatchingPages(port, TOKEN, ours=OURS, plain=PLAIN)
        self.followers = [
            Follower(port, TOKEN, plain=plain or n % _EVERY == 0, headers=headers)
            for n in range(CLIENTS if plain else CLIENTS - OURS - PLAIN)
        ]
        self._lives: list[History] = []

    async def __aenter__(self) -> "Delivery":
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        try:
            self._stack.push_async_callback(self.publisher.close)
            if self._pages is not None:
                await self._stack.enter_async_context(self._pages)
            tasks = [asyncio.create_task(each.run()) for each in self.followers]
            self._stack.push_async_callback(end, *tasks)
            await until(self.are_live)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def are_live(self) -> bool:
        return all(each.is_live for each in self.followers) and (self._pages is None or await self._pages.are_live())

    async def records(self) -> list[Record]:
        return [each.record for each in self.followers] + (await self._pages.records() if self._pages else [])

    async def reached(self, within: float = PATIENCE) -> bool:
        """Wait until everybody was told the newest event. False, and says who was not, when that took too long."""
        head = (await self._feed())[-1].cursor

        async def all_there() -> bool:
            followers = all(each.record.is_at(head) for each in self.followers)
            return followers and (self._pages is None or await self._pages.are_at(head))

        try:
            await until(all_there, within)
        except TimeoutError:
            late = [(each.kind, each.last) for each in await self.records() if not each.is_at(head)]
            print(f"\nnot told up to {head} within {within:g} s: {late[:20]}")  # noqa: T201
            return False
        return True

    async def remember_life(self) -> None:
        """The feed as it is now may be lost in part: clients may have seen it."""
        self._lives.append(await self._feed())

    async def check(self, name: str) -> "Measured":
        """What came of it, once everybody was told everything. Prints a row of docs/delivery.md's table."""
        begun = time.monotonic()
        await self.reached()
        caught_up = time.monotonic() - begun
        await self.publisher.step()  # what comes twice comes before what is newer
        await self.reached()
        lives = [*self._lives, await self._feed()]
        store = await self._store()
        records = await self.records()
        verdict = sum((check(each, lives, store) for each in records), Verdict())
        known = {each.cursor for life in lives for each in life}
        verdict.missed += sum(each not in known for each in self.publisher.promised)
        measured = Measured(name, records, lives, verdict, caught_up)
        print(f"\n{measured.row()}")  # noqa: T201
        return measured

    async def _feed(self) -> History:
        entries = await self.publisher.redis.xrange(keys.FEED)
        items = [(entry.decode(), orjson.loads(fields[b"data"])["data"]) for entry, fields in entries]
        return [Told(cursor, item["id"], item["version"]) for cursor, item in items]

    async def _store(self) -> dict[str, int]:
        store, found, before = Store(self.publisher.redis, history=10_000), {}, None
        while True:
            page = await store.page(before=before, limit=200)
            found |= {item.id: item.version for item in page.items}
            if page.next is None:
                return found
            before = int(page.next)


class Measured:
    """The outcome of one scenario."""

    def __init__(
        self, name: str, records: list[Record], lives: list[History], verdict: Verdict, caught_up: float
    ) -> None:
        self.name, self.records, self.verdict = name, records, verdict
        #: Seconds after the last event until everybody had been told it.
        self.caught_up = caught_up
        #: The feed at the end; `events` counts those that were lost with Redis, too.
        self.life = lives[-1]
        self.events = len({each for life in lives for each in life})
        self.clients = len(records)
        self.reconnects = sum(each.reconnects for each in records)
        self.rotations = sum(each.rotations for each in records)
        self.refused = sum(each.refused for each in records)
        self.resets = sum(len(each.runs) - 1 for each in records)

    def of(self, *kinds: str) -> list[Record]:
        """What clients of these kinds saw."""
        return [each for each in self.records if each.kind in kinds]

    def row(self) -> str:
        found = self.verdict
        numbers = [
            self.clients, self.events, found.told, self.reconnects, self.rotations, self.refused, self.resets,
            found.missed, found.doubled, found.strange + found.disordered, found.differing,
        ]  # fmt: skip
        return f"| {self.name} | {' | '.join(f'{each:,}' for each in numbers)} | {self.caught_up:.1f} s |"


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Wait for a condition; TimeoutError when it never came."""
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


async def repeat(step: Callable[[], None], every: float, seconds: float) -> None:
    """*step* every so many seconds for as long as *seconds*: the wait is how long the fault lasts."""
    for _ in range(max(1, round(seconds / every))):
        await asyncio.sleep(every)
        step()

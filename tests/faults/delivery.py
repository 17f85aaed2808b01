"""Many real clients of a running Tubepost: compares what each received with what was published (docs/delivery.md)."""

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
from tests.support.record import ReceivedEvent, Record
from tests.support.watching_pages import WatchingPages
from workitems.base.tasks import cancel_and_wait
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.queue.store import ItemStore

#: Clients of each scenario, those in Chromium included, and seconds for which it lasts.
CLIENTS = int(os.environ.get("DELIVERY_CLIENTS", "200"))
SECONDS = float(os.environ.get("DELIVERY_SECONDS", "5"))

#: Pages in Chromium: with stream.js, and with a plain EventSource.
OURS, PLAIN = 2, 1

#: Of the other clients, one in so many is a plain one.
_PLAIN_EVERY = 10

#: Seconds until all clients must be connected, and must have received everything at the end.
PATIENCE = 60.0

#: Marks of every test with so many clients: one at a time, and with time for a slow machine.
MARKS = [pytest.mark.xdist_group("delivery"), pytest.mark.timeout(seconds=SECONDS + 170)]

#: Settings of the server under test: all clients have one address, and come back at once.
STREAM = "[stream]\nopens_per_second = 100000\nheartbeat_seconds = 5\n"


class Delivery:
    """Runs clients on *port* inside `async with`; `publisher` publishes events with *preview* characters of text each.

    *plain*: all are plain clients, and none is in Chromium.
    """

    def __init__(
        self, port: int, redis_url: str, *, headers: dict[str, str] | None = None, preview: int = 0, plain: bool = False
    ) -> None:
        self._stack = AsyncExitStack()
        self.publisher = Publisher(redis_url, preview=preview)
        self._pages = None if plain else WatchingPages(port, TOKEN, ours=OURS, plain=PLAIN)
        self.followers = [
            Follower(port, TOKEN, plain=plain or n % _PLAIN_EVERY == 0, headers=headers)
            for n in range(CLIENTS if plain else CLIENTS - OURS - PLAIN)
        ]
        self._lives: list[History] = []

    async def __aenter__(self) -> "Delivery":
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.publisher.close)
            if self._pages is not None:
                await stack.enter_async_context(self._pages)
            tasks = [asyncio.create_task(each.run()) for each in self.followers]
            stack.push_async_callback(cancel_and_wait, *tasks)
            await until(self.are_live)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def are_live(self) -> bool:
        return all(each.is_live for each in self.followers) and (self._pages is None or await self._pages.are_live())

    async def records(self) -> list[Record]:
        return [each.record for each in self.followers] + (await self._pages.records() if self._pages else [])

    async def reached(self, within: float = PATIENCE) -> bool:
        """Wait until all clients have the newest event. If it takes too long, print the late ones and return False."""
        head = (await self._feed())[-1].cursor

        async def all_there() -> bool:
            followers = all(each.record.is_at(head) for each in self.followers)
            return followers and (self._pages is None or await self._pages.are_at(head))

        try:
            await until(all_there, within)
        except TimeoutError:
            late = [(each.kind, each.last) for each in await self.records() if not each.is_at(head)]
            print(f"\nclients that did not reach {head} within {within:g} s: {late[:20]}")  # noqa: T201
            return False
        return True

    async def remember_life(self) -> None:
        """Save the present feed, since Redis may lose events that clients have received."""
        self._lives.append(await self._feed())

    async def check(self, name: str) -> "Measured":
        """Wait until all clients have everything, and check them. Prints a row of the table in docs/delivery.md."""
        begun = time.monotonic()
        await self.reached()
        caught_up = time.monotonic() - begun
        await self.publisher.step()  # a duplicate of an event would come before this newer event
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
        events = await feed.read_events(self.publisher.redis, START_CURSOR, count=1_000_000)
        items = [(str(event.cursor), orjson.loads(event.data)["data"]) for event in events]
        return [ReceivedEvent(cursor, item["id"], item["version"]) for cursor, item in items]

    async def _store(self) -> dict[str, int]:
        store, found, before = ItemStore(self.publisher.redis, max_events=10_000), {}, None
        while True:
            page = await store.list_items(before=before, limit=200)
            found |= {item.id: item.version for item in page.items}
            if page.next is None:
                return found
            before = int(page.next)


class Measured:
    """The result of one scenario."""

    def __init__(
        self, name: str, records: list[Record], lives: list[History], verdict: Verdict, caught_up: float
    ) -> None:
        self.name, self.records, self.verdict = name, records, verdict
        #: Seconds from the last event until all clients had it.
        self.caught_up = caught_up
        #: The feed at the end. `events` counts those that Redis lost, too.
        self.life = lives[-1]
        self.events = len({each for life in lives for each in life})
        self.clients = len(records)
        self.reconnects = sum(each.reconnects for each in records)
        self.rotations = sum(each.rotations for each in records)
        self.refused = sum(each.refused for each in records)
        self.resets = sum(len(each.runs) - 1 for each in records)

    def of(self, *kinds: str) -> list[Record]:
        """Return the records of the clients of these kinds."""
        return [each for each in self.records if each.kind in kinds]

    def row(self) -> str:
        found = self.verdict
        numbers = [
            self.clients, self.events, found.received, self.reconnects, self.rotations, self.refused, self.resets,
            found.missed, found.doubled, found.strange + found.disordered, found.differing,
        ]  # fmt: skip
        return f"| {self.name} | {' | '.join(f'{each:,}' for each in numbers)} | {self.caught_up:.1f} s |"


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Wait until *holds* returns True. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


async def repeat(step: Callable[[], None], every: float, seconds: float) -> None:
    """Call *step* every so many seconds, for *seconds*: the wait is how long the fault lasts."""
    for _ in range(max(1, round(seconds / every))):
        await asyncio.sleep(every)
        step()

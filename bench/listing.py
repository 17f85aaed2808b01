"""Lists and changes: the same step with many items and with few, on two Redis servers side by side."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from bench.row import Row
from server.handlers.test_item import machine_part, new_item_id
from tests.support.redis_server import RedisServer
from workitems.base.redis import connect
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore

#: Items that are created at once to fill a Redis.
_AT_ONCE = 32

#: Items of a page.
_PAGE = 50

MAILBOX = "desk"


@dataclass(frozen=True)
class Size:
    """The numbers of items in the two servers. Each step is done `times` in each, in turn."""

    few: int
    many: int
    times: int


QUICK = Size(few=200, many=2_000, times=50)
USUAL = Size(few=1_000, many=100_000, times=500)
FULL = Size(few=1_000, many=1_000_000, times=500)


@dataclass(frozen=True)
class FilledRedis:
    """A Redis with items. `deep` is the order key in the middle of the list; `ids` are some of the items."""

    store: ItemStore
    deep: int
    ids: list[str]


def measure(size: Size) -> list[Row]:
    return asyncio.run(_measure(size))


async def _measure(size: Size) -> list[Row]:
    async with AsyncExitStack() as stack:
        few, many = [await _filled(stack, count, size.times) for count in (size.few, size.many)]
        rows = []
        for what, step in _STEPS.items():
            small, large = await _in_turn(step, few, many, size.times)
            figure = f"{what}, {size.many:,} items"
            rows.append(Row.compare(figure, large, small, "ms", f"{size.few:,} items", "as few"))
        return rows


async def _filled(stack: AsyncExitStack, count: int, times: int) -> FilledRedis:
    """Fill a Redis with *count* items. It syncs once a second, since filling is not measured."""
    server = RedisServer(None, None, "--appendfsync", "everysec")
    stack.callback(server.stop)
    server.start()
    redis = connect(server.url, timeout=30)
    stack.push_async_callback(redis.aclose)
    store = ItemStore(redis, max_events=10_000)
    ids = [new_item_id() for _ in range(count)]
    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*(_create(store, each, n) for n, each in enumerate(ids[start : start + _AT_ONCE], start)))
    return FilledRedis(store, (await store.get(ids[count // 2])).score, ids[:: max(1, count // times)][:times])


async def _create(store: ItemStore, item_id: str, number: int) -> None:
    """Create item *number*, a minute newer than the one before."""
    created = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    machine = machine_part({"subject": f"Item {number}", "extracted_fields": {"policy_number": f"AB-{number}"}})
    await store.publish(item_id, MAILBOX, machine | {"created_at": created.isoformat()})


async def _newest(filled: FilledRedis, _: int) -> None:
    page = await filled.store.list_items(limit=_PAGE)
    assert len(page.items) == _PAGE


async def _filtered(filled: FilledRedis, _: int) -> None:
    page = await filled.store.list_items(mailbox=MAILBOX, status="new", before=filled.deep, limit=_PAGE)
    assert len(page.items) == _PAGE


async def _another(filled: FilledRedis, number: int) -> None:
    await _create(filled.store, new_item_id(), number)


async def _changed(filled: FilledRedis, number: int) -> None:
    await filled.store.change(filled.ids[number % len(filled.ids)], ItemChange(assignee=f"ana-{number}"), who="ana")


Step = Callable[[FilledRedis, int], Awaitable[None]]

_STEPS: dict[str, Step] = {
    "page of 50, newest": _newest,
    "page of 50, two filters, from the middle": _filtered,
    "create an item": _another,
    "change an item": _changed,
}


async def _in_turn(step: Step, few: FilledRedis, many: FilledRedis, times: int) -> tuple[float, float]:
    """Return the medians in milliseconds. The steps are done in turn, so that noise hits both."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(times):
        for filled, seconds in zip((few, many), took, strict=True):
            start = time.perf_counter()
            await step(filled, number)
            seconds.append(time.perf_counter() - start)
    return 1000 * median(took[0]), 1000 * median(took[1])

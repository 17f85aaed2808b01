"""Lists and changes: the same step at many items and at few, on two Redis servers side by side."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from bench.row import Row
from server.handlers.testitem import as_machine, fresh_id
from tests.support.redis_server import RedisServer
from workitems.redis import connect
from workitems.store import Change, Store

#: Items that are made at once while a Redis is filled.
_AT_ONCE = 32

#: Items of a page.
_PAGE = 50

MAILBOX = "desk"


@dataclass(frozen=True)
class Size:
    """Items in the one and in the other Redis; each step is done `times` in each, in turn."""

    few: int
    many: int
    times: int


QUICK = Size(few=200, many=2_000, times=50)
USUAL = Size(few=1_000, many=100_000, times=500)
FULL = Size(few=1_000, many=1_000_000, times=500)


@dataclass(frozen=True)
class Shelf:
    """A filled Redis. `deep` is the place in the list behind which half of the items lie; `ids` are some of them."""

    store: Store
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


async def _filled(stack: AsyncExitStack, count: int, times: int) -> Shelf:
    """A Redis with *count* items; it syncs once a second, since filling is not what is measured."""
    server = RedisServer(None, None, "--appendfsync", "everysec")
    stack.callback(server.stop)
    server.start()
    redis = connect(server.url, timeout=30)
    stack.push_async_callback(redis.aclose)
    store = Store(redis, history=10_000)
    ids = [fresh_id() for _ in range(count)]
    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*(_create(store, each, n) for n, each in enumerate(ids[start : start + _AT_ONCE], start)))
    return Shelf(store, (await store.get(ids[count // 2])).score, ids[:: max(1, count // times)][:times])


async def _create(store: Store, item_id: str, number: int) -> None:
    """The *number*th item, a minute younger than the one before."""
    created = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    machine = as_machine({"subject": f"Item {number}", "extracted_fields": {"policy_number": f"AB-{number}"}})
    await store.publish(item_id, MAILBOX, machine | {"created_at": created.isoformat()})


async def _newest(shelf: Shelf, _: int) -> None:
    page = await shelf.store.page(limit=_PAGE)
    assert len(page.items) == _PAGE


async def _filtered(shelf: Shelf, _: int) -> None:
    page = await shelf.store.page(mailbox=MAILBOX, status="new", before=shelf.deep, limit=_PAGE)
    assert len(page.items) == _PAGE


async def _another(shelf: Shelf, number: int) -> None:
    await _create(shelf.store, fresh_id(), number)


async def _changed(shelf: Shelf, number: int) -> None:
    await shelf.store.change(shelf.ids[number % len(shelf.ids)], Change(assignee=f"ana-{number}"), who="ana")


Step = Callable[[Shelf, int], Awaitable[None]]

_STEPS: dict[str, Step] = {
    "page of 50, newest": _newest,
    "page of 50, two filters, from the middle": _filtered,
    "create an item": _another,
    "change an item": _changed,
}


async def _in_turn(step: Step, few: Shelf, many: Shelf, times: int) -> tuple[float, float]:
    """Medians in milliseconds; in turn, so that noise meets both."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(times):
        for shelf, seconds in zip((few, many), took, strict=True):
            start = time.perf_counter()
            await step(shelf, number)
            seconds.append(time.perf_counter() - start)
    return 1000 * median(took[0]), 1000 * median(took[1])

"""Lists: in order, without a gap between list and stream, nothing skipped and nothing twice."""

from typing import Any

import pytest

from tests.workitems.samples import IDS, machine
from workitems import feed, keys
from workitems.event import Cursor
from workitems.redis import Client
from workitems.store import Change, Store


async def test_an_item_moves_from_list_to_list_with_its_status(store: Store, redis: Client) -> None:
    await store.publish(IDS[0], "claims", machine())
    await store.change(IDS[0], Change(status="done"), who="Ann")

    async def listed(**how: Any) -> list[str]:
        return [item.id for item in (await store.page(**how)).items]

    assert await listed() == await listed(mailbox="claims") == [IDS[0]]
    assert await listed(status="done") == await listed(status="done", mailbox="claims") == [IDS[0]]
    assert await listed(status="new") == await listed(status="new", mailbox="claims") == []
    assert await listed(mailbox="orders") == []
    score = (await store.get(IDS[0])).score
    for index in (keys.items(), keys.items("claims"), keys.items(None, "done"), keys.items("claims", "done")):
        assert await redis.zscore(index, IDS[0]) == score
    for index in (keys.items(None, "new"), keys.items("claims", "new")):
        assert not await redis.exists(index)


async def test_items_stand_in_the_order_of_their_arrival_and_then_of_their_publishing(store: Store) -> None:
    for item_id, second in zip(IDS, (5, 3, 5, 1, 5), strict=False):
        await store.publish(item_id, "claims", machine(created_at=f"2026-03-01T09:30:0{second}Z"))
    assert [item.id[3] for item in (await store.page()).items] == ["e", "c", "a", "b", "d"]


@pytest.mark.parametrize("limit", [1, 3, 7])
@pytest.mark.parametrize("how", [{}, {"mailbox": "claims"}, {"status": "new"}, {"status": "new", "mailbox": "claims"}])
async def test_pages_skip_and_repeat_nothing_while_items_arrive(store: Store, how: dict[str, Any], limit: int) -> None:
    for n in range(20):
        await store.publish(f"wi_{n:026d}", ("claims", "orders")[n % 2], machine(str(n)))
    expected = [item.id for item in (await store.page(**how, limit=50)).items]
    seen: list[str] = []
    before: int | None = None
    for n in range(20, 60):
        page = await store.page(**how, before=before, limit=limit)
        seen += [item.id for item in page.items]
        if page.next is None:
            break
        before = int(page.next)
        await store.publish(f"wi_{n:026d}", "claims", machine(str(n)))
    assert seen == expected


async def test_a_page_of_one_submission_is_filtered_by_status(store: Store) -> None:
    for n in range(4):
        await store.publish(IDS[n], "claims", machine(str(n)), message_id=f"m{n}", references=["m0"])
    await store.change(IDS[1], Change(status="done"), who="Ann")
    submission = (await store.get(IDS[0])).submission_id
    page = await store.page(submission=submission, status="new", limit=2)
    assert [item.id for item in page.items] == [IDS[3], IDS[2]]
    page = await store.page(submission=submission, status="new", limit=2, before=int(page.next or 0))
    assert [item.id for item in page.items] == [IDS[0]]


async def test_the_head_of_a_page_is_the_last_event_of_the_feed(store: Store, redis: Client) -> None:
    assert (await store.page()).head == "0-0"
    await store.publish(IDS[0], "claims", machine())
    await store.change(IDS[0], Change(status="done"), who="Ann")
    page = await store.page(mailbox="orders")
    assert page.items == []
    assert Cursor.parse(page.head) == await feed.head(redis) == (await feed.newest(redis, 1))[0].cursor


async def test_an_item_that_cannot_be_understood_does_not_hide_the_others(store: Store, redis: Client) -> None:
    for item_id in IDS[:3]:
        await store.publish(item_id, "claims", machine())
    await redis.hset(keys.item(IDS[1]), "machine", "{")
    page = await store.page(limit=2)
    assert [item.id for item in page.items] == [IDS[2]]
    page = await store.page(limit=2, before=int(page.next or 0))
    assert [item.id for item in page.items] == [IDS[0]]

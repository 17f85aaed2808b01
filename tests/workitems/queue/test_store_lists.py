"""Lists are in order, without a gap between list and stream; nothing is skipped or repeated."""

from typing import Any

import pytest

from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import Cursor
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore


async def test_an_item_moves_from_list_to_list_with_its_status(store: ItemStore, redis: RedisClient) -> None:
    await store.publish(IDS[0], "claims", machine())
    await store.change(IDS[0], ItemChange(status="done"), who="Ann")

    async def listed(**how: Any) -> list[str]:
        return [item.id for item in (await store.list_items(**how)).items]

    assert await listed() == await listed(mailbox="claims") == [IDS[0]]
    assert await listed(status="done") == await listed(status="done", mailbox="claims") == [IDS[0]]
    assert await listed(status="new") == await listed(status="new", mailbox="claims") == []
    assert await listed(mailbox="orders") == []
    score = (await store.get(IDS[0])).score
    for index in (keys.items(), keys.items("claims"), keys.items(None, "done"), keys.items("claims", "done")):
        assert await redis.zscore(index, IDS[0]) == score
    for index in (keys.items(None, "new"), keys.items("claims", "new")):
        assert not await redis.exists(index)


async def test_items_are_sorted_by_arrival_and_then_by_publishing(store: ItemStore) -> None:
    for item_id, second in zip(IDS, (5, 3, 5, 1, 5), strict=False):
        await store.publish(item_id, "claims", machine(created_at=f"2026-03-01T09:30:0{second}Z"))
    assert [item.id[3] for item in (await store.list_items()).items] == ["e", "c", "a", "b", "d"]


#: The creation times of five items, oldest first; the server of a mailbox may report any time.
ODD_TIMES = [
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:00Z",
    "2026-03-01T09:30:00Z",
    "2243-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
]


async def test_order_keys_are_whole_numbers_that_javascript_and_redis_can_distinguish(store: ItemStore) -> None:
    for item_id, created in zip(IDS, ODD_TIMES, strict=False):
        published = await store.publish(item_id, "claims", machine(created_at=created))
        assert published.item is not None
        assert 0 <= published.item.score < 2**53
        assert published.item.view()["created_at"] == created
    assert [item.id[3] for item in (await store.list_items()).items] == ["e", "d", "c", "b", "a"]


async def test_a_page_below_the_lowest_order_key_is_empty(store: ItemStore, redis: RedisClient) -> None:
    await redis.set("{tubepost}:seq", 2**20 - 1)
    published = await store.publish(IDS[0], "claims", machine(created_at=ODD_TIMES[0]))
    assert published.item is not None
    assert published.item.score == 0
    page = await store.list_items(limit=1)
    assert [item.id for item in page.items] == [IDS[0]]
    assert page.next == "0"
    assert (await store.list_items(limit=1, before=0)).items == []


@pytest.mark.parametrize("limit", [1, 3, 7])
@pytest.mark.parametrize("how", [{}, {"mailbox": "claims"}, {"status": "new"}, {"status": "new", "mailbox": "claims"}])
async def test_pages_skip_and_repeat_nothing_while_items_arrive(
    store: ItemStore, how: dict[str, Any], limit: int
) -> None:
    for n in range(20):
        await store.publish(f"wi_{n:026d}", ("claims", "orders")[n % 2], machine(str(n)))
    expected = [item.id for item in (await store.list_items(**how, limit=50)).items]
    seen: list[str] = []
    before: int | None = None
    for n in range(20, 60):
        page = await store.list_items(**how, before=before, limit=limit)
        seen += [item.id for item in page.items]
        if page.next is None:
            break
        before = int(page.next)
        await store.publish(f"wi_{n:026d}", "claims", machine(str(n)))
    assert seen == expected


async def test_a_page_of_one_submission_is_filtered_by_status(store: ItemStore) -> None:
    for n in range(4):
        await store.publish(IDS[n], "claims", machine(str(n)), message_id=f"m{n}", references=["m0"])
    await store.change(IDS[1], ItemChange(status="done"), who="Ann")
    submission = (await store.get(IDS[0])).submission_id
    page = await store.list_items(submission=submission, status="new", limit=2)
    assert [item.id for item in page.items] == [IDS[3], IDS[2]]
    page = await store.list_items(submission=submission, status="new", limit=2, before=int(page.next or 0))
    assert [item.id for item in page.items] == [IDS[0]]


async def test_the_cursor_of_a_page_is_the_last_event_of_the_feed(store: ItemStore, redis: RedisClient) -> None:
    assert (await store.list_items()).head == "0-0"
    await store.publish(IDS[0], "claims", machine())
    await store.change(IDS[0], ItemChange(status="done"), who="Ann")
    page = await store.list_items(mailbox="orders")
    assert page.items == []
    assert Cursor.parse(page.head) == await feed.head(redis) == (await feed.read_newest(redis, 1))[0].cursor


async def test_an_item_that_cannot_be_decoded_does_not_hide_the_others(store: ItemStore, redis: RedisClient) -> None:
    for item_id in IDS[:3]:
        await store.publish(item_id, "claims", machine())
    await redis.hset(keys.item(IDS[1]), "machine", "{")
    page = await store.list_items(limit=2)
    assert [item.id for item in page.items] == [IDS[2]]
    page = await store.list_items(limit=2, before=int(page.next or 0))
    assert [item.id for item in page.items] == [IDS[0]]

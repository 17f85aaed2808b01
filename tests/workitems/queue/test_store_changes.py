"""A change by a person is in item, feed, lists and history at once, or nowhere."""

import pytest

from tests.workitems.interrupted_store import Interrupted, events
from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.errors import ConflictError, InvalidChangeError, NotFoundError
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore


async def test_a_change_is_in_item_feed_lists_and_history(store: ItemStore, redis: RedisClient) -> None:
    await store.publish(IDS[0], "claims", machine(extracted_fields={"amount": "1"}))
    changed = await store.change(
        IDS[0], ItemChange(status="in_progress", assignee="Ann", fields={"amount": "2"}), who="Bob", version=1
    )
    assert changed == await store.get(IDS[0])
    assert changed.version == 2
    assert (await events(redis))[-1] == {"event": "workitem_updated", "data": changed.view()}
    (event,) = await feed.read_newest(redis, 1)
    assert (event.mailbox, event.status, event.previous_status) == ("claims", "in_progress", "new")
    steps = (await store.history(IDS[0]))[1:]
    assert [(step["who"], step["field"], step["before"], step["after"]) for step in steps] == [
        ("Bob", "status", "new", "in_progress"),
        ("Bob", "assignee", "", "Ann"),
        ("Bob", "fields.amount", '"1"', '"2"'),
    ]


async def test_a_change_without_effect_makes_no_event(store: ItemStore, redis: RedisClient) -> None:
    await store.publish(IDS[0], "claims", machine(extracted_fields={"a": "1"}))
    nothing = [
        ItemChange(),
        ItemChange(status="new"),
        ItemChange(assignee=""),
        ItemChange(fields={"a": "1"}),
        ItemChange(fields={"b": None}),
    ]
    for change in nothing:
        assert (await store.change(IDS[0], change, who="Ann")).version == 1
    assert len(await events(redis)) == 1


async def test_true_is_not_one(store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine(extracted_fields={"a": 1}))
    await store.change(IDS[0], ItemChange(fields={"a": True}), who="Ann")
    assert (await store.get(IDS[0])).view()["extracted_fields"]["a"] is True


async def test_the_slower_of_two_people_gets_a_conflict(store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine())
    await store.change(IDS[0], ItemChange(status="done"), who="Ann", version=1)
    with pytest.raises(ConflictError, match="version 1 was expected, the item is at 2"):
        await store.change(IDS[0], ItemChange(status="waiting"), who="Bob", version=1)
    assert (await store.get(IDS[0])).status == "done"


async def test_the_slower_of_two_changes_at_the_same_moment_gets_a_conflict(
    store: ItemStore, redis: RedisClient
) -> None:
    await store.publish(IDS[0], "claims", machine())
    slow = Interrupted(redis, max_events=100)
    slow.meanwhile = lambda: store.change(IDS[0], ItemChange(status="done"), who="Ann")
    with pytest.raises(ConflictError):
        await slow.change(IDS[0], ItemChange(status="waiting"), who="Bob", version=1)
    assert (await store.get(IDS[0])).status == "done"


async def test_an_absent_item_cannot_be_changed(store: ItemStore, redis: RedisClient) -> None:
    with pytest.raises(NotFoundError):
        await store.change(IDS[0], ItemChange(status="done"), who="Ann")
    await store.publish(IDS[0], "claims", machine())
    slow = Interrupted(redis, max_events=100)
    slow.meanwhile = lambda: redis.delete(keys.item(IDS[0]))
    with pytest.raises(NotFoundError):
        await slow.change(IDS[0], ItemChange(status="done"), who="Ann")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (ItemChange(status="finished"), "status"),
        (ItemChange(status=""), "status"),
        (ItemChange(assignee="a" * 65), "assignee"),
        (ItemChange(assignee="a\nb"), "assignee"),
        (ItemChange(assignee="\ud800"), "assignee"),
        (ItemChange(fields={"a" * 65: "1"}), "fields"),
        (ItemChange(fields={"a": "x" * 4_001}), "fields"),
        (ItemChange(fields={f"f{n}": n for n in range(101)}), "fields"),
        (ItemChange(fields={"a": float("nan")}), "fields"),
        (ItemChange(fields={"a": float("inf")}), "fields"),
    ],
)
async def test_an_error_names_the_value_that_is_not_accepted(store: ItemStore, change: ItemChange, field: str) -> None:
    await store.publish(IDS[0], "claims", machine())
    with pytest.raises(InvalidChangeError) as error:
        await store.change(IDS[0], change, who="Ann")
    assert error.value.field == field
    assert (await store.get(IDS[0])).version == 1


async def test_the_corrections_of_one_item_are_bounded(store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine())
    for start in (0, 100):
        fields = {f"f{n}": n for n in range(start, start + 100)}
        await store.change(IDS[0], ItemChange(fields=fields), who="Ann")
    with pytest.raises(InvalidChangeError, match="200"):
        await store.change(IDS[0], ItemChange(fields={"one more": 1}), who="Ann")


async def test_a_history_is_bounded(store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine())
    for n in range(7):
        await store.change(IDS[0], ItemChange(fields={f"f{m}": n for m in range(100)}), who="Ann")
    steps = await store.history(IDS[0])
    assert len(steps) == 500
    assert steps[-1]["after"] == "6"
    assert all(step["at"].endswith("Z") for step in steps)


async def test_the_length_of_a_field_is_counted_without_blanks_of_its_encoding(store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine())
    changed = await store.change(IDS[0], ItemChange(fields={"numbers": [1] * 1_990}), who="Ann")
    assert changed.person["corrections"] == {"numbers": [1] * 1_990}
    with pytest.raises(InvalidChangeError, match="4,000"):
        await store.change(IDS[0], ItemChange(fields={"numbers": [1] * 2_001}), who="Ann")

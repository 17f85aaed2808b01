"""What people change: in item, feed, lists and history at once, or not at all."""

import pytest

from tests.workitems.samples import IDS, machine
from tests.workitems.stores import Interrupted, events
from workitems import feed, keys
from workitems.errors import ConflictError, InvalidChangeError, NotFoundError
from workitems.redis import Client
from workitems.store import Change, Store


async def test_a_change_is_in_item_feed_lists_and_history(store: Store, redis: Client) -> None:
    await store.publish(IDS[0], "claims", machine(extracted_fields={"amount": "1"}))
    changed = await store.change(
        IDS[0], Change(status="in_progress", assignee="Ann", fields={"amount": "2"}), who="Bob", version=1
    )
    assert changed == await store.get(IDS[0])
    assert changed.version == 2
    assert (await events(redis))[-1] == {"event": "workitem_updated", "data": changed.view()}
    (event,) = await feed.newest(redis, 1)
    assert (event.mailbox, event.status, event.was) == ("claims", "in_progress", "new")
    steps = (await store.history(IDS[0]))[1:]
    assert [(step["who"], step["field"], step["before"], step["after"]) for step in steps] == [
        ("Bob", "status", "new", "in_progress"),
        ("Bob", "assignee", "", "Ann"),
        ("Bob", "fields.amount", '"1"', '"2"'),
    ]


async def test_a_change_that_changes_nothing_is_no_event(store: Store, redis: Client) -> None:
    await store.publish(IDS[0], "claims", machine(extracted_fields={"a": "1"}))
    nothing = [
        Change(),
        Change(status="new"),
        Change(assignee=""),
        Change(fields={"a": "1"}),
        Change(fields={"b": None}),
    ]
    for change in nothing:
        assert (await store.change(IDS[0], change, who="Ann")).version == 1
    assert len(await events(redis)) == 1


async def test_true_is_not_one(store: Store) -> None:
    await store.publish(IDS[0], "claims", machine(extracted_fields={"a": 1}))
    await store.change(IDS[0], Change(fields={"a": True}), who="Ann")
    assert (await store.get(IDS[0])).view()["extracted_fields"]["a"] is True


async def test_who_was_slower_is_told_so(store: Store) -> None:
    await store.publish(IDS[0], "claims", machine())
    await store.change(IDS[0], Change(status="done"), who="Ann", version=1)
    with pytest.raises(ConflictError, match="version 1 was expected, the item is at 2"):
        await store.change(IDS[0], Change(status="waiting"), who="Bob", version=1)
    assert (await store.get(IDS[0])).status == "done"


async def test_who_was_slower_by_a_hair_is_told_so(store: Store, redis: Client) -> None:
    await store.publish(IDS[0], "claims", machine())
    slow = Interrupted(redis, history=100)
    slow.meanwhile = lambda: store.change(IDS[0], Change(status="done"), who="Ann")
    with pytest.raises(ConflictError):
        await slow.change(IDS[0], Change(status="waiting"), who="Bob", version=1)
    assert (await store.get(IDS[0])).status == "done"


async def test_what_is_not_there_cannot_be_changed(store: Store, redis: Client) -> None:
    with pytest.raises(NotFoundError):
        await store.change(IDS[0], Change(status="done"), who="Ann")
    await store.publish(IDS[0], "claims", machine())
    slow = Interrupted(redis, history=100)
    slow.meanwhile = lambda: redis.delete(keys.item(IDS[0]))
    with pytest.raises(NotFoundError):
        await slow.change(IDS[0], Change(status="done"), who="Ann")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Change(status="finished"), "status"),
        (Change(status=""), "status"),
        (Change(assignee="a" * 65), "assignee"),
        (Change(assignee="a\nb"), "assignee"),
        (Change(assignee="\ud800"), "assignee"),
        (Change(fields={"a" * 65: "1"}), "fields"),
        (Change(fields={"a": "x" * 4_001}), "fields"),
        (Change(fields={f"f{n}": n for n in range(101)}), "fields"),
        (Change(fields={"a": float("nan")}), "fields"),
        (Change(fields={"a": float("inf")}), "fields"),
    ],
)
async def test_what_is_not_accepted_is_named(store: Store, change: Change, field: str) -> None:
    await store.publish(IDS[0], "claims", machine())
    with pytest.raises(InvalidChangeError) as error:
        await store.change(IDS[0], change, who="Ann")
    assert error.value.field == field
    assert (await store.get(IDS[0])).version == 1


async def test_corrections_of_one_item_are_bounded(store: Store) -> None:
    await store.publish(IDS[0], "claims", machine())
    for start in (0, 100):
        fields = {f"f{n}": n for n in range(start, start + 100)}
        await store.change(IDS[0], Change(fields=fields), who="Ann")
    with pytest.raises(InvalidChangeError, match="200"):
        await store.change(IDS[0], Change(fields={"one more": 1}), who="Ann")


async def test_a_history_is_bounded(store: Store) -> None:
    await store.publish(IDS[0], "claims", machine())
    for n in range(7):
        await store.change(IDS[0], Change(fields={f"f{m}": n for m in range(100)}), who="Ann")
    steps = await store.history(IDS[0])
    assert len(steps) == 500
    assert steps[-1]["after"] == "6"
    assert all(step["at"].endswith("Z") for step in steps)


async def test_a_field_s_length_is_counted_without_blanks_that_nobody_wrote(store: Store) -> None:
    await store.publish(IDS[0], "claims", machine())
    changed = await store.change(IDS[0], Change(fields={"numbers": [1] * 1_990}), who="Ann")
    assert changed.person["corrections"] == {"numbers": [1] * 1_990}
    with pytest.raises(InvalidChangeError, match="4,000"):
        await store.change(IDS[0], Change(fields={"numbers": [1] * 2_001}), who="Ann")

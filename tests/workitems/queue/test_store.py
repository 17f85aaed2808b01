"""Publishing is one atomic step that never overwrites the changes of a person."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from tornado.ioloop import IOLoop

from tests.workitems.interrupted_store import Interrupted, events
from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.errors import ConflictError
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.intake.consumer_group import ConsumerGroup
from workitems.intake.put import Intake
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore

ClientOf = Callable[..., RedisClient]


async def test_a_published_item_is_in_the_feed_the_record_and_the_list(store: ItemStore, redis: RedisClient) -> None:
    published = await store.publish(IDS[0], "claims", machine())
    assert published.outcome == "new"
    (event,) = await events(redis)
    page = await store.list_items()
    assert event == {"event": "new_workitem", "data": page.items[0].view()}
    assert page.head == published.cursor
    assert (await store.get(IDS[0])).view() == event["data"]
    assert event["data"]["submission_ref"] == "SUB-2026-000001"
    assert (event["data"]["status"], event["data"]["version"], event["data"]["assignee"]) == ("new", 1, None)
    assert [step["field"] for step in await store.history(IDS[0])] == ["created"]


async def test_a_reading_of_fewer_variants_never_replaces_one_of_more(store: ItemStore, redis: RedisClient) -> None:
    await store.publish(IDS[0], "claims", machine(subject="both"), raws=["a", "b"])
    stale = await store.publish(IDS[0], "claims", machine(subject="the first alone"), raws=["a"])
    assert stale.outcome == "stale"
    assert (await store.get(IDS[0])).machine["subject"] == "both"
    assert await redis.hget(keys.item(IDS[0]), "raws") == b"a,b"
    assert len(await events(redis)) == 1


async def test_publishing_the_same_machine_part_again_makes_no_event(store: ItemStore, redis: RedisClient) -> None:
    await store.publish(IDS[0], "claims", machine(), raws=["a"])
    again = await store.publish(IDS[0], "claims", machine(), raws=["a", "b"])
    assert (again.outcome, again.cursor) == ("same", None)
    assert len(await events(redis)) == 1
    assert (await store.get(IDS[0])).reading_number == 1
    assert await redis.hget(keys.item(IDS[0]), "raws") == b"a,b"


async def test_a_renewal_keeps_the_changes_of_people_and_counts_the_reading(
    store: ItemStore, redis: RedisClient
) -> None:
    await store.publish(IDS[0], "claims", machine(extracted_fields={"amount": "1", "date": "2026-01-01"}))
    done = await store.change(IDS[0], ItemChange(status="waiting", assignee="Ann", fields={"amount": "2"}), who="Ann")
    renewed = await store.publish(IDS[0], "claims", machine("Renewed", extracted_fields={"amount": "3", "name": "Bob"}))
    item = await store.get(IDS[0])
    assert renewed.outcome == "renewed"
    assert (item.status, item.assignee, item.version, item.reading_number) == ("waiting", "Ann", done.version, 2)
    assert item.person == done.person
    assert item.view()["extracted_fields"] == {"amount": "2", "name": "Bob"}
    assert (await events(redis))[-1] == {"event": "workitem_updated", "data": item.view()}
    assert [item.id for item in (await store.list_items(status="waiting")).items] == [IDS[0]]


async def test_a_change_made_during_a_publish_is_not_overwritten(redis: RedisClient, store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine())
    slow = Interrupted(redis, max_events=100)
    slow.meanwhile = lambda: store.change(IDS[0], ItemChange(status="done", fields={"amount": "2"}), who="Ann")
    assert (await slow.publish(IDS[0], "claims", machine("Renewed"))).outcome == "renewed"
    item = await store.get(IDS[0])
    assert (item.status, item.version, item.machine["subject"]) == ("done", 2, "Renewed")
    assert (await events(redis))[-1]["data"] == item.view()
    assert item.view()["extracted_fields"] == {"amount": "2"}


async def test_two_workers_that_publish_one_mail_at_once_make_one_item(
    redis: RedisClient, redis_url: str, client_of: ClientOf
) -> None:
    stores = [ItemStore(client_of(redis_url), max_events=100) for _ in range(4)]
    made = await asyncio.gather(*(each.publish(IDS[0], "claims", machine(str(n))) for n, each in enumerate(stores)))
    assert sorted(published.outcome for published in made) == ["new", "renewed", "renewed", "renewed"]
    assert [event["event"] for event in await events(redis)] == ["new_workitem", *["workitem_updated"] * 3]
    assert (await stores[0].list_items()).items == [await stores[0].get(IDS[0])]


async def test_publishing_returns_a_new_item(store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine("parent"), message_id="a")
    await store.change(IDS[0], ItemChange(assignee="Ann"), who="Ann")
    published = await store.publish(IDS[1], "claims", machine("reply"), references=["a"])
    assert published.item == await store.get(IDS[1])
    assert published.item.assignee == "Ann"
    assert (await store.publish(IDS[1], "claims", machine("renewed"))).item is None


async def test_a_new_reading_published_during_a_change_is_kept(redis: RedisClient, store: ItemStore) -> None:
    await store.publish(IDS[0], "claims", machine())
    slow = Interrupted(redis, max_events=100)
    slow.meanwhile = lambda: store.publish(IDS[0], "claims", machine("Renewed"))
    assert (await slow.change(IDS[0], ItemChange(status="done"), who="Ann")).machine["subject"] == "Renewed"
    item = await store.get(IDS[0])
    assert (item.status, item.machine["subject"], item.version, item.reading_number) == ("done", "Renewed", 2, 2)
    assert (await events(redis))[-1]["data"] == item.view()


async def test_simultaneous_changes_and_readings_lose_nothing(
    redis_url: str, client_of: ClientOf, redis: RedisClient
) -> None:
    stores = [ItemStore(client_of(redis_url), max_events=10_000) for _ in range(4)]
    await stores[0].publish(IDS[0], "claims", machine("0"))

    async def change(n: int) -> None:
        while True:
            try:
                await stores[n % 4].change(IDS[0], ItemChange(fields={f"f{n}": n}), who="Ann")
                return
            except ConflictError:
                continue

    reads = [stores[n % 4].publish(IDS[0], "claims", machine(str(n))) for n in range(1, 9)]
    await asyncio.gather(*(change(n) for n in range(8)), *reads)
    item = await stores[0].get(IDS[0])
    assert item.view()["extracted_fields"] == {f"f{n}": n for n in range(8)}
    assert (item.version, item.reading_number) == (9, 9)
    found = await feed.read_events(redis, START_CURSOR)
    assert [event.cursor.n for event in found] == list(range(1, 18))
    assert json.loads(found[-1].data)["data"] == item.view()


async def test_a_removed_item_is_not_made_again_and_its_entry_is_acknowledged(
    store: ItemStore, redis: RedisClient, intake: Intake
) -> None:
    entry = await taken(redis, intake, IDS[0])
    await redis.set(keys.gone(IDS[0]), "1")
    assert (await store.publish(IDS[0], "claims", machine(), entry=entry)).outcome == "gone"
    assert await feed.head(redis) == START_CURSOR
    assert await acknowledged(redis, IDS[0])
    assert not await redis.exists(keys.item(IDS[0]))


async def taken(redis: RedisClient, intake: Intake, item_id: str) -> str:
    """Put a mail and let a consumer take it."""
    await ConsumerGroup(redis).ensure_group()
    await redis.xadd(keys.INTAKE, {"id": item_id, "mailbox": "claims", "raw": "a"})
    await redis.hset(keys.attempts(item_id), "raws", "a")
    (waiting,) = await ConsumerGroup(redis).take(redis, "one", count=10, block_seconds=1)
    return waiting.entry_id


async def acknowledged(redis: RedisClient, item_id: str) -> bool:
    pending = await redis.xpending(keys.INTAKE, keys.READERS_GROUP)
    return (
        not pending["pending"] and not await redis.xlen(keys.INTAKE) and not await redis.exists(keys.attempts(item_id))
    )


@pytest.mark.parametrize("known", [None, "same", "other"])
async def test_the_entry_is_acknowledged_in_the_step_that_publishes(
    store: ItemStore, redis: RedisClient, intake: Intake, known: str | None
) -> None:
    if known:
        await store.publish(IDS[0], "claims", machine(known))
    entry = await taken(redis, intake, IDS[0])
    assert await store.is_waiting(IDS[0])
    await store.publish(IDS[0], "claims", machine("same"), entry=entry)
    assert await acknowledged(redis, IDS[0])
    assert not await store.is_waiting(IDS[0])


async def test_the_first_write_of_a_publish_is_the_feed(store: ItemStore, redis: RedisClient, redis_url: str) -> None:
    with Redis.from_url(redis_url) as watching, watching.monitor() as monitor:
        await store.publish(IDS[0], "claims", machine(), message_id="a", references=["b"])
        await store.change(IDS[0], ItemChange(status="done"), who="Ann")
        await store.publish(IDS[0], "claims", machine("Renewed"))
        await redis.echo("the end")
        said: list[str] = []
        while not said or "the end" not in said[-1]:
            line = monitor.next_command()
            said.append(
                line["command"] if line["client_type"] == "lua" or "ECHO" in line["command"].upper() else "read"
            )
    writes = ("XADD", "SET", "HSET", "HSETNX", "ZADD", "ZREM", "INCR", "INCRBY", "HINCRBY", "PUBLISH", "DEL", "XDEL")
    steps = [line.split()[:2] for line in said if line.split()[0].upper() in writes]
    feeds = [n for n, step in enumerate(steps) if step == ["XADD", keys.FEED]]
    assert feeds[0] == 0
    assert len(feeds) == 3
    assert all(
        steps[n - 1][0] == "XADD" and "history" in steps[n - 1][1] for n in feeds[1:]
    )  # the previous publish ended


TROUBLE = {
    "empty list": [],
    "empty table": {},
    "nested": {"a": [], "b": {}, "c": [[], {}]},
    "large": 2**53 + 1,
    "larger": 2**63,
    "float": 0.1,
    "quotes": 'a"b\\c',
    "lines": "a\nb\r\u2028\x00",
    "letters": "Ä 😀 مرحبا",
    "money": {"amount": "1250.00", "currency": "USD"},
}


async def test_every_value_is_stored_unchanged(store: ItemStore, redis: RedisClient, redis_url: str) -> None:
    name = 'Ann "the\\hammer" O\'Neil / Ä😀'
    with Redis.from_url(redis_url) as other, other.pubsub() as channel:
        channel.subscribe(keys.CHANNEL)
        assert channel.get_message(timeout=5)
        await store.publish(IDS[0], "claims", machine(extracted_fields=TROUBLE, to=[], preview='"\\/'))
        await store.change(IDS[0], ItemChange(assignee=name, fields={"mine": TROUBLE}), who=name)
        heard = [message["data"] for _ in range(2) if (message := channel.get_message(timeout=5))]
    assert heard == [event.data for event in await feed.read_events(redis, START_CURSOR)]
    view = (await store.list_items()).items[0].view()
    assert json.loads(heard[1])["data"] == view
    assert view["extracted_fields"] == TROUBLE | {"mine": TROUBLE}
    assert type(view["extracted_fields"]["large"]) is int
    assert view["assignee"] == name
    assert view["to"] == []
    assert json.loads(heard[0])["data"]["extracted_fields"] == TROUBLE
    assert (await store.history(IDS[0]))[-1]["who"] == name


texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.recursive(
    texts | st.integers(-(2**63), 2**64) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(subject=texts, fields=st.dictionaries(texts, values, max_size=4), long=st.booleans())
def test_event_and_list_agree_on_any_machine_part(
    io_loop: IOLoop, store: ItemStore, redis: RedisClient, subject: str, fields: dict[str, Any], long: bool
) -> None:
    read = machine(subject, extracted_fields=fields, preview="p" * 9_000 * long)

    async def once() -> None:
        await redis.flushall()
        await store.publish(IDS[0], "claims", read)
        (event,) = await feed.read_events(redis, START_CURSOR)
        view = (await store.list_items()).items[0].view()
        assert json.loads(event.data)["data"] == view
        assert len(event.data) <= 8_100
        assert ("shortened" in view["flags"]) == long
        assert (await store.get(IDS[0])).machine == read

    io_loop.run_sync(once)

"""Redis is killed while events are published, with and without loss of its last writes: streams stay correct."""

import asyncio
import contextlib
from collections.abc import Callable

from tests.faults.conftest import TOKEN
from tests.support.program import Program
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream
from workitems.base import keys
from workitems.base.errors import StoreUnavailableError
from workitems.base.redis import connect
from workitems.feed import feed
from workitems.feed.event import Cursor
from workitems.intake.identity import item_id_from_raw
from workitems.queue.store import ItemStore

Start = Callable[..., Program]


def number(message_data: dict[str, object]) -> int:
    return int(str(message_data["subject"]).split()[1])


def seen(stream: EventStream) -> list[int]:
    return [number(m.json["data"]) for m in stream.messages if m.json["event"] == "new_workitem"]


async def publish_until_accepted(store: ItemStore, n: int) -> None:
    """Repeat the same step until Redis accepts it, as the worker does."""
    machine = {"subject": f"item {n}", "created_at": "2026-11-22T10:00:00Z"}
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(StoreUnavailableError):
                await store.publish(item_id_from_raw("work", b"%d" % n), "work", machine)
                return
            await asyncio.sleep(0.02)


async def test_no_event_is_lost_or_sent_twice_when_redis_is_killed(own_redis: RedisServer, start_server: Start) -> None:
    server = start_server()
    client = connect(own_redis.url, timeout=2)
    store = ItemStore(client, max_events=10_000)
    async with EventStream(server.port, TOKEN) as stream:
        await stream.next("connected")
        for n in range(600):
            if n in (200, 400):
                own_redis.kill()
                await stream.next("store_status")
                own_redis.start()
                await stream.next("store_status")
            await publish_until_accepted(store, n)
        await stream.until(lambda _: len(seen(stream)) >= 600, within=60)
        states = [m.json["data"]["available"] for m in stream.messages if m.json["event"] == "store_status"]
        resets = [m for m in stream.messages if m.json["event"] == "reset"]
        epochs = {Cursor.parse(m.id).epoch for m in stream.messages if m.json["event"] == "new_workitem"}  # type: ignore[union-attr]
    await client.aclose()
    assert seen(stream) == list(range(600))
    assert states[0] is False
    assert states[-1] is True
    assert not resets
    assert len(epochs) == 3, "each start of Redis begins an epoch"


async def test_streams_with_lost_events_are_reset_when_the_append_only_file_was_cut(
    own_redis: RedisServer, start_server: Start
) -> None:
    server = start_server()
    client = connect(own_redis.url, timeout=2)
    store = ItemStore(client, max_events=10_000)
    for n in range(20):
        await publish_until_accepted(store, n)
    async with EventStream(server.port, TOKEN) as stream:
        await stream.next("connected")
        kept = str(await feed.head(client))
        size = own_redis.append_only_files[-1].stat().st_size
        for n in range(20, 25):
            await publish_until_accepted(store, n)
        # The stream may also get some of the first twenty, if the server had not read them when it opened.
        lost = (await stream.until(lambda _: seen(stream)[-1:] == [24]))[-1].id

        own_redis.kill()
        with own_redis.append_only_files[-1].open("r+b") as file:
            file.truncate(size)
        own_redis.start()
        reset = await stream.next("reset")
        for n in range(25, 28):
            await publish_until_accepted(store, n)
        await stream.until(lambda _: seen(stream)[-1:] == [27])

    async with EventStream(server.port, TOKEN, headers={"Last-Event-ID": lost}) as beyond:
        reset_beyond = await beyond.next("reset")
    async with EventStream(server.port, TOKEN, headers={"Last-Event-ID": kept}) as before:
        await before.until(lambda _: len(seen(before)) == 3)
        events = [m.json["event"] for m in before.messages]
    references = [
        await client.hget(keys.item(item_id_from_raw("work", b"%d" % n)), "reference") for n in (*range(20), 25)
    ]
    await client.aclose()
    assert reset.id == kept
    assert reset_beyond.json["reason"] == "epoch"
    assert events == ["connected", *["new_workitem"] * 3]
    assert seen(before) == [25, 26, 27]
    assert int(references[-1][-6:]) > 1000, "references that were given before the cut are not given again"

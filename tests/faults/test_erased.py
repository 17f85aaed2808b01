"""An item is erased by one server process: no process sends it again, and no client gets a reset."""

import asyncio
import json
import urllib.request
from collections.abc import Callable

from tests.faults.conftest import TOKEN
from tests.support.program import Program
from tests.support.redis_server import RedisServer
from tests.support.sse_client import EventStream
from workitems.base.redis import connect
from workitems.intake.identity import item_id_from_raw
from workitems.queue.store import ItemStore

Start = Callable[..., Program]


def erase(server: Program, item_id: str) -> dict[str, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/workitems/{item_id}",
        method="DELETE",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, str] = json.loads(answer.read())
    return found


async def test_a_client_that_resumes_before_an_erased_item_gets_neither_the_item_nor_a_reset(
    own_redis: RedisServer, start_server: Start
) -> None:
    one, other = start_server(), start_server()
    redis = connect(own_redis.url)
    store = ItemStore(redis, max_events=10_000)

    async def publish(n: int) -> str:
        item_id = item_id_from_raw("work", b"%d" % n)
        await store.publish(item_id, "work", {"subject": f"item {n} of many", "created_at": "2026-11-22T10:00:00Z"})
        return item_id

    async with EventStream(one.port, TOKEN) as first, EventStream(other.port, TOKEN) as second:
        for stream in (first, second):
            await stream.next("connected")
        items = [await publish(n) for n in range(5)]
        cursors = [(await first.next("new_workitem")).id for _ in items]
        assert (await asyncio.to_thread(erase, one, items[2]))["status"] == "removed"
        for stream in (first, second):
            removed = await stream.next("workitem_removed")
            assert removed.json["data"]["id"] == items[2]
        await publish(5)
        for stream in (first, second):
            await stream.until(lambda seen: "item 5" in seen[-1].data)
            assert not [message for message in stream.messages if message.json["event"] == "reset"]

    late = start_server()  # started later, it has only read the present feed
    for server in (one, other, late):
        for n, cursor in enumerate(cursors):
            async with EventStream(server.port, TOKEN, headers={"Last-Event-ID": cursor}) as stream:
                found = await stream.until(lambda seen: bool(seen) and "item 5" in seen[-1].data)
            assert [message.json["event"] for message in found[:1]] == ["connected"]
            assert found[0].json["resumed"]
            subjects = [m.json["data"]["subject"][5] for m in found if m.json["event"] == "new_workitem"]
            assert subjects == [str(m) for m in range(n + 1, 6) if m != 2]
            assert [m.json["event"] for m in found].count("workitem_removed") == 1
    await redis.aclose()

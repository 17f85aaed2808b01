"""An entry of the feed that cannot be decoded ends no server process, no start of one, and no stream."""

from collections.abc import Callable
from typing import Any

import pytest

from server.context import Context
from tests.support.items import publish, subjects
from tests.support.sse_client import EventStream
from tests.support.waiting import eventually
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.feed.undecodable import undecodable

Open = Callable[..., EventStream]

DATA = '{"event":"x","data":{}}'

BROKEN: list[dict[str, str | bytes]] = [
    {"colour": "blue"},
    {"data": b"\xff"},
    {"data": DATA, "mailbox": b"\xff"},
    {"data": DATA, "at": "now"},
    {"data": DATA, "at": "9" * 400},
]


async def break_feed(redis: RedisClient) -> int:
    """Write one entry of each kind at the next places of the epoch; return how many."""
    for fields in BROKEN:
        head = await feed.head(redis)
        await redis.xadd(keys.FEED, fields, id=f"{head.epoch}-{head.n + 1}")
    return len(BROKEN)


async def test_open_streams_get_what_comes_after_it(context: Context, open_stream: Open) -> None:
    async with open_stream() as stream, open_stream(path="/sse/workitems?mailbox=work&status=new") as filtered:
        for each in (stream, filtered):
            await each.next("connected")
        await publish(context, 1)
        await break_feed(context.redis)
        await publish(context, 2)
        for each in (stream, filtered):
            await each.until(lambda _, each=each: len(subjects(each)) == 2)
            assert [m.json["event"] for m in each.messages] == ["connected", "new_workitem", "new_workitem"]
    assert context.stats.process_report()["lag"] < 3600
    assert context.stats.process_report()["delivery_lag"]["sum"] < 3600


@pytest.mark.parametrize("memory", [True, False])
async def test_a_client_resumes_over_it(context: Context, open_stream: Open, memory: bool) -> None:
    await publish(context, 1)
    await break_feed(context.redis)
    await publish(context, 2)
    events = await feed.read_events(context.redis, START_CURSOR)
    await eventually(lambda: context.hub.replay_buffer.head == events[-1].cursor)
    if not memory:
        context.hub.replay_buffer.restart(context.hub.replay_buffer.head)
    for cursor in [START_CURSOR, *(event.cursor for event in events[:-1])]:
        async with open_stream(headers={"Last-Event-ID": str(cursor)}) as stream:
            await stream.until(lambda _, stream=stream: "item 2" in subjects(stream))
        assert {m.json["event"] for m in stream.messages} == {"connected", "new_workitem"}
        assert stream.messages[0].json["resumed"]


async def test_a_process_that_starts_reads_over_it(context: Context, open_stream: Open) -> None:
    await publish(context, 1)
    await break_feed(context.redis)
    reader = context.stats._feed_reader
    context.hub.replay_buffer.restart(START_CURSOR)
    await reader._fill()
    events = context.hub.replay_buffer.events_after(START_CURSOR) or []
    assert [bool(event.data) for event in events] == [True] + [False] * len(BROKEN)
    async with open_stream(headers={"Last-Event-ID": str(START_CURSOR)}) as stream:
        await stream.until(lambda _: subjects(stream) == ["item 1"])


async def test_it_is_counted(context: Context, http_server_client: Any) -> None:
    before = undecodable.count
    await publish(context, 1)
    count = await break_feed(context.redis)
    await publish(context, 2)
    await eventually(lambda: context.hub.replay_buffer.head.n == count + 2)
    assert context.stats.process_report()["undecodable"] == before + count
    answer = await http_server_client.fetch("/metrics")
    named = f'tubepost_feed_undecodable_entries_total{{process="{context.process}"}}'
    assert f"{named} {before + count}.0" in answer.body.decode()

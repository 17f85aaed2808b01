"""After a repair of what Redis lost every client loads its list again: no event says what was missing from it."""

from collections.abc import Callable

import pytest

from server.context import Context
from tests.support.items import publish, subjects
from tests.support.sse_client import EventStream
from tests.support.waiting import eventually
from workitems.feed import feed
from workitems.feed.event import START_CURSOR

Open = Callable[..., EventStream]


async def test_an_open_stream_gets_one_reset_and_then_what_comes_after_it(context: Context, open_stream: Open) -> None:
    await publish(context, 1)
    await eventually(lambda: context.hub.replay_buffer.head.n == 1)
    async with open_stream() as stream:
        await stream.next("connected")
        await feed.leave_gap(context.redis)
        reset = await stream.next("reset")
        assert reset.json["head"] == str(await feed.head(context.redis))
        await publish(context, 2)
        await stream.until(lambda _: subjects(stream) == ["item 2"])
    assert [m.json["event"] for m in stream.messages] == ["connected", "reset", "new_workitem"]


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_stream_that_returns_from_before_it_gets_a_reset(
    context: Context, open_stream: Open, is_restarted: bool
) -> None:
    await publish(context, 1)
    before = await feed.head(context.redis)
    await feed.leave_gap(context.redis)
    gap = await feed.head(context.redis)
    await publish(context, 2)
    last = await feed.head(context.redis)
    await eventually(lambda: context.hub.replay_buffer.head == last)
    if is_restarted:
        context.hub.replay_buffer.restart(START_CURSOR)
        await context.stats._feed_reader._fill()
    for cursor in (START_CURSOR, before):
        async with open_stream(headers={"Last-Event-ID": str(cursor)}) as stream:
            await stream.until(lambda seen: any(m.json["event"] == "reset" for m in seen))
    async with open_stream(headers={"Last-Event-ID": str(gap)}) as stream:
        await stream.until(lambda _: subjects(stream) == ["item 2"])
    assert [m.json["event"] for m in stream.messages] == ["connected", "new_workitem"]

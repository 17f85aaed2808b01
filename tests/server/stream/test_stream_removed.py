"""Erased events are never sent again, and their absence counts as no loss."""

import json
from collections.abc import Callable

from server.context import Context
from tests.support.items import publish
from tests.support.sse_client import EventStream
from tests.support.waiting import eventually
from workitems.feed import feed
from workitems.feed.event import START_CURSOR
from workitems.queue.change import ItemChange
from workitems.retention.removal import Removal

Open = Callable[..., EventStream]


async def remove(context: Context, item_id: str) -> None:
    removal = Removal(context.redis, context.mailstore, max_events=1000)
    assert await removal.remove(item_id, who="ann", why="")
    await removal.finish([item_id])


async def test_a_removal_goes_to_filters_of_the_mailbox_and_of_the_last_status(
    context: Context, open_stream: Open
) -> None:
    (item,) = await publish(context, 1)
    await context.store.change(item, ItemChange(status="waiting"), who="ben")
    await eventually(lambda: context.hub.replay_buffer.head.n == 2)  # the streams must start after both events
    paths = ["", "?mailbox=work", "?status=waiting", "?status=new", "?mailbox=other"]
    streams = [open_stream(path=f"/sse/workitems{query}") for query in paths]
    for stream in streams:
        await (await stream.__aenter__()).next("connected")
    await remove(context, item)
    await publish(context, 2)
    for stream in streams[:3]:
        message = await stream.next()
        assert message.json["event"] == "workitem_removed"
        assert set(message.json["data"]) == {"id", "mailbox", "submission_id", "submission_ref"}
        assert "left" not in message.json
    assert (await streams[3].next()).json["event"] == "new_workitem"


async def test_a_returning_stream_gets_the_removal_and_no_erased_event(context: Context, open_stream: Open) -> None:
    items = await publish(context, 1, 2, 3)
    cursors = [START_CURSOR, *(event.cursor for event in await feed.read_events(context.redis, START_CURSOR))]
    await eventually(lambda: context.hub.replay_buffer.head.n == 3)
    await remove(context, items[1])
    await publish(context, 4)
    await eventually(lambda: context.hub.replay_buffer.head.n == 5)
    for memory in (True, False):  # from the replay buffer, then from Redis
        if not memory:
            context.hub.replay_buffer.restart(context.hub.replay_buffer.head)
        for cursor in cursors:
            async with open_stream(headers={"Last-Event-ID": str(cursor)}) as stream:
                found = await stream.until(lambda seen: "item 4" in seen[-1].data if seen else False)
            assert not any(message.json["event"] == "reset" for message in found)
            assert not any("item 2" in message.data for message in found)
            kinds = [message.json["event"] for message in found[1:]]
            assert kinds == ["new_workitem"] * (cursor.n < 1) + ["new_workitem"] * (cursor.n < 3) + [
                "workitem_removed", "new_workitem",
            ]  # fmt: skip


async def test_a_process_that_reads_late_skips_erased_events(context: Context, open_stream: Open) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        async with context.hub.fan_out_lock:  # its feed reader cannot send anything meanwhile
            items = await publish(context, 1, 2)
            await remove(context, items[0])
            await remove(context, items[1])
        await publish(context, 3)
        found = await stream.until(lambda seen: "item 3" in seen[-1].data)
    assert [message.json["event"] for message in found if message.json["event"] == "reset"] == []
    kept = [
        json.loads(event.data) for event in context.hub.replay_buffer.events_after(START_CURSOR) or [] if event.data
    ]
    assert [each["event"] for each in kept] == ["workitem_removed", "workitem_removed", "new_workitem"]


async def test_a_stream_that_missed_events_beyond_its_filter_learns_when_it_has_all(
    context: Context, open_stream: Open
) -> None:
    """`replay` counts all missed events. Without a heartbeat after them, a client would wait for more."""
    items = await publish(context, 1, 2)
    first, *_ = await feed.read_events(context.redis, START_CURSOR)
    await publish(context, 3, mailbox="other")
    await remove(context, items[1])
    await eventually(lambda: context.hub.replay_buffer.head.n == 4)
    for query, expected in (
        ("", ["new_workitem", "workitem_removed"]),
        ("?mailbox=work", ["workitem_removed"]),
        ("?mailbox=elsewhere", []),
    ):
        async with open_stream(path=f"/sse/workitems{query}", headers={"Last-Event-ID": str(first.cursor)}) as stream:
            assert (await stream.next("connected")).json["replay"] == 3
            for event in expected:
                assert (await stream.next()).json["event"] == event
            end = await stream.next()
            assert end.json["event"] == "heartbeat"
            assert end.id == end.json["head"] == str(context.hub.replay_buffer.head)
    async with open_stream(
        headers={"Last-Event-ID": end.id}
    ) as stream:  # nothing was missed, so no heartbeat is needed
        await publish(context, 5)
        assert [(await stream.next()).json["event"] for _ in range(2)] == ["connected", "new_workitem"]


async def test_a_heartbeat_has_the_newest_cursor_also_after_events_in_the_same_turn_of_the_loop(
    context: Context,
) -> None:
    """The clock of uvloop does not move within a turn. With an older `id`, a client would get events twice."""
    before = context.hub.deadlines.heartbeat_frame(1.0, chunked=False)
    await publish(context, 1)
    await eventually(lambda: context.hub.replay_buffer.head.n == 1)
    after = context.hub.deadlines.heartbeat_frame(1.0, chunked=False)
    assert b"id: %b\n" % str(context.hub.replay_buffer.head).encode() in after
    assert before != after

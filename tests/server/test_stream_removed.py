"""What was erased is never sent again, and its absence is no loss."""

import json
from collections.abc import Callable

from server.context import Context
from tests.server.test_stream import eventually, publish
from tests.support.sse_client import EventStream
from workitems import feed
from workitems.event import START
from workitems.removal import Removal
from workitems.store import Change

Open = Callable[..., EventStream]


async def remove(context: Context, item_id: str) -> None:
    removal = Removal(context.redis, context.mailstore, history=1000)
    assert await removal.remove(item_id, who="ann", why="")
    await removal.finish([item_id])


async def test_streams_are_told_of_a_removal_by_mailbox_and_by_the_status_that_it_had(
    context: Context, open_stream: Open
) -> None:
    (item,) = await publish(context, 1)
    await context.store.change(item, Change(status="waiting"), who="ben")
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


async def test_who_comes_back_is_told_of_the_removal_and_of_nothing_that_it_erased(
    context: Context, open_stream: Open
) -> None:
    items = await publish(context, 1, 2, 3)
    cursors = [START, *(event.cursor for event in await feed.between(context.redis, START))]
    await eventually(lambda: context.hub.ring.head.n == 3)
    await remove(context, items[1])
    await publish(context, 4)
    await eventually(lambda: context.hub.ring.head.n == 5)
    for memory in (True, False):  # from the ring, then from Redis
        if not memory:
            context.hub.ring.restart(context.hub.ring.head)
        for cursor in cursors:
            async with open_stream(headers={"Last-Event-ID": str(cursor)}) as stream:
                found = await stream.until(lambda seen: "item 4" in seen[-1].data if seen else False)
            assert not any(message.json["event"] == "reset" for message in found)
            assert not any("item 2" in message.data for message in found)
            kinds = [message.json["event"] for message in found[1:]]
            assert kinds == ["new_workitem"] * (cursor.n < 1) + ["new_workitem"] * (cursor.n < 3) + [
                "workitem_removed", "new_workitem",
            ]  # fmt: skip


async def test_a_process_that_reads_late_goes_over_what_was_erased(context: Context, open_stream: Open) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        async with context.hub.turn:  # its reader cannot hand anything on meanwhile
            items = await publish(context, 1, 2)
            await remove(context, items[0])
            await remove(context, items[1])
        await publish(context, 3)
        found = await stream.until(lambda seen: "item 3" in seen[-1].data)
    assert [message.json["event"] for message in found if message.json["event"] == "reset"] == []
    told = [json.loads(event.data) for event in context.hub.ring.after(START) or [] if event.data]
    assert [each["event"] for each in told] == ["workitem_removed", "workitem_removed", "new_workitem"]


async def test_who_missed_what_is_not_for_it_is_told_when_it_has_all(context: Context, open_stream: Open) -> None:
    """`replay` counts all that was missed: without a word after it, a client would wait for what never comes."""
    items = await publish(context, 1, 2)
    first, *_ = await feed.between(context.redis, START)
    await publish(context, 3, mailbox="other")
    await remove(context, items[1])
    await eventually(lambda: context.hub.ring.head.n == 4)
    for query, told in (
        ("", ["new_workitem", "workitem_removed"]),
        ("?mailbox=work", ["workitem_removed"]),
        ("?mailbox=elsewhere", []),
    ):
        async with open_stream(path=f"/sse/workitems{query}", headers={"Last-Event-ID": str(first.cursor)}) as stream:
            assert (await stream.next("connected")).json["replay"] == 3
            for event in told:
                assert (await stream.next()).json["event"] == event
            end = await stream.next()
            assert end.json["event"] == "heartbeat"
            assert end.id == end.json["head"] == str(context.hub.ring.head)
    async with open_stream(headers={"Last-Event-ID": end.id}) as stream:  # nothing was missed: nothing is to be said
        await publish(context, 5)
        assert [(await stream.next()).json["event"] for _ in range(2)] == ["connected", "new_workitem"]


async def test_a_heartbeat_never_goes_back_behind_what_came_in_the_same_turn_of_the_loop(context: Context) -> None:
    """uvloop's clock stands still within a turn; an older `id` would have a client told twice."""
    before = context.hub.heartbeat(1.0, chunked=False)
    await publish(context, 1)
    await eventually(lambda: context.hub.ring.head.n == 1)
    after = context.hub.heartbeat(1.0, chunked=False)
    assert b"id: %b\n" % str(context.hub.ring.head).encode() in after
    assert before != after

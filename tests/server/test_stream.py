"""`GET /sse/workitems`, seen by a plain client."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from server.context import Context
from server.handlers.stream import StreamHandler
from server.hub import Hub
from tests.support.sse_client import EventStream
from workitems import keys
from workitems.event import Cursor, Event
from workitems.identity import whole_id
from workitems.redis import Client
from workitems.store import Change

Open = Callable[..., EventStream]


async def publish(context: Context, *numbers: int, mailbox: str = "work") -> list[str]:
    """Items named by numbers; answers their ids."""
    ids = [whole_id(mailbox, b"%d" % number) for number in numbers]
    for number, item_id in zip(numbers, ids, strict=True):
        machine = {"subject": f"item {number}", "created_at": "2026-11-22T10:00:00Z"}
        await context.store.publish(item_id, mailbox, machine)
    return ids


def subjects(stream: EventStream) -> list[str]:
    return [m.json["data"]["subject"] for m in stream.messages if m.json["event"] == "new_workitem"]


async def eventually(holds: Callable[[], Any], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_fresh_stream_begins_with_connected_at_the_head(context: Context, open_stream: Open) -> None:
    await publish(context, 1)
    await eventually(lambda: context.hub.ring.head.n == 1)
    async with open_stream() as stream:
        message = await stream.next()
    assert stream.status == 200
    assert message.json["event"] == "connected"
    assert message.json["resumed"] is False
    assert message.json["replay"] == 0
    assert message.json["head"] == message.id == str(context.hub.ring.head)
    assert stream.retry is not None


async def test_the_headers_keep_proxies_from_holding_the_stream_back(open_stream: Open) -> None:
    async with open_stream() as stream:
        assert stream.answered["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.answered["cache-control"] == "no-cache, no-store, no-transform"
        assert stream.answered["x-accel-buffering"] == "no"
        assert "content-encoding" not in stream.answered


async def test_an_item_is_pushed_as_an_unnamed_message_with_its_cursor(context: Context, open_stream: Open) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        (item_id,) = await publish(context, 1)
        message = await stream.next("new_workitem")
    assert message.json["data"]["id"] == item_id
    assert message.json["data"]["submission_ref"].startswith("SUB-")
    assert message.id == str(context.hub.ring.head)


async def test_a_returning_stream_gets_what_it_missed_once_and_in_order(context: Context, open_stream: Open) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        await publish(context, 1, 2)
        await stream.until(lambda _: len(subjects(stream)) == 2)
    await publish(context, *range(3, 150))
    headers = {"Last-Event-ID": stream.last_event_id}
    async with open_stream(headers=headers) as back:
        first = await back.next("connected")
        await publish(context, 150)
        await back.until(lambda _: len(subjects(back)) == 148)
    assert first.json["resumed"] is True
    assert first.id == headers["Last-Event-ID"]
    assert subjects(back) == [f"item {number}" for number in range(3, 151)]


async def test_events_published_during_the_hand_over_are_neither_lost_nor_doubled(
    context: Context, open_stream: Open
) -> None:
    await publish(context, 0)
    await eventually(lambda: context.hub.ring.head.n == 1)
    start = str(context.hub.ring.head)
    writing = asyncio.create_task(publish(context, *range(1, 301)))
    streams = []
    for _ in range(20):
        stream = await open_stream(headers={"Last-Event-ID": start}).__aenter__()
        streams.append(stream)
        await asyncio.sleep(0.01)
    await writing
    for stream in streams:
        await stream.until(lambda messages: len(messages) > 300)  # `connected` is one, too
        stream.close()
        assert subjects(stream) == [f"item {number}" for number in range(1, 301)]


async def test_the_header_wins_over_the_query(context: Context, open_stream: Open) -> None:
    await publish(context, 1, 2, 3)
    await eventually(lambda: context.hub.ring.head.n == 3)
    epoch = context.hub.ring.head.epoch
    path = f"/sse/workitems?last_event_id={epoch}-1"
    async with open_stream(path=path, headers={"Last-Event-ID": f"{epoch}-2"}) as stream:
        await stream.next("new_workitem")
    async with open_stream(path=path) as by_query:
        await by_query.next("new_workitem")
    assert subjects(stream) == ["item 3"]
    assert subjects(by_query) == ["item 2"]


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [("nonsense", "unknown"), ("99999999999999-1", "unknown"), ("1-1", "trimmed"), ("{epoch}-999", "unknown")],
)
async def test_a_cursor_that_cannot_be_gone_on_from_is_told_to_reset(
    context: Context, open_stream: Open, cursor: str, reason: str
) -> None:
    await publish(context, 1, 2)
    await eventually(lambda: context.hub.ring.head.n == 2)
    wanted = cursor.format(epoch=context.hub.ring.head.epoch)
    async with open_stream(headers={"Last-Event-ID": wanted}) as stream:
        message = await stream.next("reset")
        await publish(context, 3)
        await stream.next("new_workitem")
    assert message.json["reason"] == reason
    assert message.id == message.json["head"] == str(context.hub.ring.head).replace("-3", "-2")


async def test_a_cursor_ahead_of_this_process_is_no_reset(context: Context, redis: Client, open_stream: Open) -> None:
    await publish(context, 1, 2)
    await eventually(lambda: context.hub.ring.head.n == 2)
    head = context.hub.ring.head
    context.hub.ring.restart(type(head)(head.epoch, 1))  # this process's reader lags
    async with open_stream(headers={"Last-Event-ID": str(head)}) as stream:
        await publish(context, 3)
        await stream.next("new_workitem")
    assert [m.json["event"] for m in stream.messages] == ["connected", "new_workitem"]
    assert subjects(stream) == ["item 3"]


async def test_what_is_lost_while_a_returning_stream_catches_up_is_told(
    context: Context, redis: Client, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(context, *range(40))
    await eventually(lambda: context.hub.ring.head.n == 40)
    head = context.hub.ring.head
    context.hub.ring.restart(head)  # memory holds nothing of it: Redis is asked
    ask = context.resume._from_redis

    async def cut_before(cursor: Cursor) -> list[Event]:
        await redis.xtrim(keys.FEED, maxlen=20, approximate=False)
        return await ask(cursor)

    monkeypatch.setattr(context.resume, "_from_redis", cut_before)
    async with open_stream(headers={"Last-Event-ID": f"{head.epoch}-1"}) as stream:
        message = await stream.next("reset")
        await publish(context, 99)
        await stream.next("new_workitem")
    assert (message.json["reason"], message.id) == ("trimmed", str(head))
    assert [m.json["event"] for m in stream.messages] == ["connected", "reset", "new_workitem"]


async def test_a_trimmed_gap_under_the_reader_resets_every_stream(
    context: Context, redis: Client, open_stream: Open
) -> None:
    await publish(context, 1)
    await eventually(lambda: context.hub.ring.head.n == 1)
    async with open_stream() as stream:
        await stream.next("connected")
        async with context.hub.turn:  # the reader cannot hand anything over meanwhile
            head = context.hub.ring.head
            for n in range(head.n + 1, head.n + 6):
                await redis.xadd(keys.FEED, {"data": "{}"}, id=f"{head.epoch}-{n}")
            await redis.xtrim(keys.FEED, maxlen=1, approximate=False)
            context.hub.ring.restart(head)
        message = await stream.next("reset")
    assert message.json["reason"] == "trimmed"


async def test_a_filtered_stream_gets_its_own_and_is_told_once_when_an_item_leaves(
    context: Context, open_stream: Open
) -> None:
    async with open_stream(path="/sse/workitems?mailbox=work&status=new") as stream:
        await stream.next("connected")
        await publish(context, 1, mailbox="other")
        (item_id,) = await publish(context, 2)
        await context.store.change(item_id, Change(status="done"), who="ana")
        await context.store.change(item_id, Change(assignee="ana"), who="ana")
        await publish(context, 3)
        await stream.until(lambda _: len(subjects(stream)) == 2)
    events = [(m.json["event"], m.json.get("left", False)) for m in stream.messages]
    assert events == [
        ("connected", False),
        ("new_workitem", False),
        ("workitem_updated", True),
        ("new_workitem", False),
    ]
    assert subjects(stream) == ["item 2", "item 3"]


async def test_an_old_http_client_gets_the_stream_unchunked(context: Context, open_stream: Open) -> None:
    async with open_stream(version="1.0") as stream:
        await stream.next("connected")
        await publish(context, 1)
        await stream.next("new_workitem")
    assert "transfer-encoding" not in stream.answered


async def test_a_byte_after_the_request_ends_the_stream(context: Context, open_stream: Open) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        stream._writer.write(b"x")
        await eventually(lambda: not context.hub.streams)
    assert context.hub.counts["closed_noise"] == 1
    assert context.limits.open == 0


async def test_a_client_that_leaves_gives_its_place_back(context: Context, open_stream: Open) -> None:
    for _ in range(50):
        async with open_stream() as stream:
            await stream.next("connected")
    await eventually(lambda: not context.hub.streams)
    assert context.limits.open == 0
    assert context.hub.counts["opened"] == 50


async def test_who_is_not_known_gets_no_stream(open_stream: Open) -> None:
    async with open_stream(token="wrong") as stream:
        assert stream.status == 401


async def test_a_process_without_room_tells_a_plain_client_busy_and_ours_by_a_status(
    context: Context, open_stream: Open
) -> None:
    hub: Hub = context.hub
    hub.ready.clear()
    async with open_stream() as plain:
        message = await plain.next("busy")
        with pytest.raises(EOFError):
            await plain.next()
    async with open_stream(headers={"X-Tubepost-Client": "1"}) as ours:
        assert ours.status == 503
        assert int(ours.answered["retry-after"]) >= 1
    assert plain.status == 200
    assert plain.retry is not None
    assert message.json == {"event": "busy", "reason": "starting"}


async def test_heads_and_wrong_accepts_get_no_endless_answer(open_stream: Open, http_server_client: Any) -> None:
    auth = {"Authorization": "Bearer a-token-for-tests"}
    head = await http_server_client.fetch("/sse/workitems", method="HEAD", headers=auth)
    assert head.headers["Content-Type"].startswith("text/event-stream")
    wrong = await http_server_client.fetch("/sse/workitems", headers={**auth, "Accept": "image/png"}, raise_error=False)
    assert wrong.code == 406


async def test_a_fault_while_a_stream_opens_is_still_an_answer_and_no_place_is_lost(
    context: Context, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy makes 502 of no answer, and a plain EventSource never comes back from that."""

    async def fails(_: Cursor) -> int:
        raise RuntimeError("for this test")

    monkeypatch.setattr(context.resume, "_look", fails)
    async with open_stream(headers={"Last-Event-ID": "1-1"}) as stream:
        with pytest.raises(EOFError):
            await stream.next()
    assert (stream.status, stream.messages) == (200, [])
    assert (context.limits.open, context.hub.open) == (0, [])


async def test_a_stream_that_opens_leaves_nothing_of_its_request_to_the_garbage_collector(open_stream: Open) -> None:
    gc.collect()  # what other tests left
    gc.disable()
    try:
        async with open_stream() as stream:
            await stream.next()
            await eventually(lambda: not [each for each in gc.get_objects() if isinstance(each, StreamHandler)])
    finally:
        gc.enable()

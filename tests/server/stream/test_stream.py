"""`GET /sse/workitems`, with a plain client."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.context import Context
from server.handlers.stream import StreamHandler
from server.stream.hub import Hub
from tests.support.items import publish, subjects
from tests.support.sse_client import EventStream
from tests.support.waiting import eventually
from workitems.base import keys
from workitems.base.redis import RedisClient
from workitems.feed.event import Cursor, Event
from workitems.queue.change import ItemChange

Open = Callable[..., EventStream]


async def test_a_fresh_stream_begins_with_connected_at_the_head(context: Context, open_stream: Open) -> None:
    await publish(context, 1)
    await eventually(lambda: context.hub.replay_buffer.head.n == 1)
    async with open_stream() as stream:
        message = await stream.next()
    assert stream.status == 200
    assert message.json["event"] == "connected"
    assert message.json["resumed"] is False
    assert message.json["replay"] == 0
    assert message.json["head"] == message.id == str(context.hub.replay_buffer.head)
    assert stream.retry is not None


async def test_the_headers_keep_proxies_from_holding_the_stream_back(open_stream: Open) -> None:
    async with open_stream() as stream:
        assert stream.answered["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.answered["cache-control"] == "no-cache, no-store, no-transform"
        assert stream.answered["x-accel-buffering"] == "no"
        assert "content-encoding" not in stream.answered


async def test_an_item_is_sent_as_an_unnamed_message_with_its_cursor(context: Context, open_stream: Open) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        (item_id,) = await publish(context, 1)
        message = await stream.next("new_workitem")
    assert message.json["data"]["id"] == item_id
    assert message.json["data"]["submission_ref"].startswith("SUB-")
    assert message.id == str(context.hub.replay_buffer.head)


async def test_a_returning_stream_gets_missed_events_once_and_in_order(context: Context, open_stream: Open) -> None:
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


async def test_events_published_during_a_replay_are_neither_lost_nor_doubled(
    context: Context, open_stream: Open
) -> None:
    await publish(context, 0)
    await eventually(lambda: context.hub.replay_buffer.head.n == 1)
    start = str(context.hub.replay_buffer.head)
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
    await eventually(lambda: context.hub.replay_buffer.head.n == 3)
    epoch = context.hub.replay_buffer.head.epoch
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
async def test_a_stream_with_a_cursor_that_cannot_be_continued_gets_reset(
    context: Context, open_stream: Open, cursor: str, reason: str
) -> None:
    await publish(context, 1, 2)
    await eventually(lambda: context.hub.replay_buffer.head.n == 2)
    last_event_id = cursor.format(epoch=context.hub.replay_buffer.head.epoch)
    async with open_stream(headers={"Last-Event-ID": last_event_id}) as stream:
        message = await stream.next("reset")
        await publish(context, 3)
        await stream.next("new_workitem")
    assert message.json["reason"] == reason
    assert message.id == message.json["head"] == str(context.hub.replay_buffer.head).replace("-3", "-2")


async def test_a_cursor_ahead_of_this_process_is_no_reset(
    context: Context, redis: RedisClient, open_stream: Open
) -> None:
    await publish(context, 1, 2)
    await eventually(lambda: context.hub.replay_buffer.head.n == 2)
    head = context.hub.replay_buffer.head
    context.hub.replay_buffer.restart(type(head)(head.epoch, 1))  # the feed reader of this process lags
    async with open_stream(headers={"Last-Event-ID": str(head)}) as stream:
        await publish(context, 3)
        await stream.next("new_workitem")
    assert [m.json["event"] for m in stream.messages] == ["connected", "new_workitem"]
    assert subjects(stream) == ["item 3"]


async def test_events_lost_during_a_replay_cause_a_reset(
    context: Context, redis: RedisClient, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(context, *range(40))
    await eventually(lambda: context.hub.replay_buffer.head.n == 40)
    head = context.hub.replay_buffer.head
    context.hub.replay_buffer.restart(head)  # the events are not in memory, so Redis is read
    ask = context.stream_opener._from_redis

    async def cut_before(cursor: Cursor) -> list[Event]:
        await redis.xtrim(keys.FEED, maxlen=20, approximate=False)
        return await ask(cursor)

    monkeypatch.setattr(context.stream_opener, "_from_redis", cut_before)
    async with open_stream(headers={"Last-Event-ID": f"{head.epoch}-1"}) as stream:
        message = await stream.next("reset")
        await publish(context, 99)
        await stream.next("new_workitem")
    assert (message.json["reason"], message.id) == ("trimmed", str(head))
    assert [m.json["event"] for m in stream.messages] == ["connected", "reset", "new_workitem"]


async def test_a_trimmed_gap_before_the_feed_reader_resets_every_stream(
    context: Context, redis: RedisClient, open_stream: Open
) -> None:
    await publish(context, 1)
    await eventually(lambda: context.hub.replay_buffer.head.n == 1)
    async with open_stream() as stream:
        await stream.next("connected")
        async with context.hub.fan_out_lock:  # the feed reader cannot send anything meanwhile
            head = context.hub.replay_buffer.head
            for n in range(head.n + 1, head.n + 6):
                await redis.xadd(keys.FEED, {"data": "{}"}, id=f"{head.epoch}-{n}")
            await redis.xtrim(keys.FEED, maxlen=1, approximate=False)
            context.hub.replay_buffer.restart(head)
        message = await stream.next("reset")
    assert message.json["reason"] == "trimmed"


async def test_a_filtered_stream_gets_its_own_events_and_one_when_an_item_leaves_the_filter(
    context: Context, open_stream: Open
) -> None:
    async with open_stream(path="/sse/workitems?mailbox=work&status=new") as stream:
        await stream.next("connected")
        await publish(context, 1, mailbox="other")
        (item_id,) = await publish(context, 2)
        await context.store.change(item_id, ItemChange(status="done"), who="ana")
        await context.store.change(item_id, ItemChange(assignee="ana"), who="ana")
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


async def test_an_http_1_0_client_gets_the_stream_without_chunks(context: Context, open_stream: Open) -> None:
    async with open_stream(version="1.0") as stream:
        await stream.next("connected")
        await publish(context, 1)
        await stream.next("new_workitem")
    assert "transfer-encoding" not in stream.answered


async def test_a_byte_after_the_request_ends_the_stream(context: Context, open_stream: Open) -> None:
    async with open_stream() as stream:
        await stream.next("connected")
        stream._writer.write(b"x")
        await eventually(lambda: not context.hub.joined_streams)
    assert context.hub.counts["closed_noise"] == 1
    assert context.stream_limits.open_count == 0


async def test_a_client_that_leaves_releases_its_slot(context: Context, open_stream: Open) -> None:
    for _ in range(50):
        async with open_stream() as stream:
            await stream.next("connected")
    await eventually(lambda: not context.hub.joined_streams)
    assert context.stream_limits.open_count == 0
    assert context.hub.counts["opened"] == 50


async def test_an_unknown_client_gets_no_stream(open_stream: Open) -> None:
    async with open_stream(token="wrong") as stream:
        assert stream.status == 401


async def test_a_busy_process_answers_a_plain_client_by_an_event_and_ours_by_a_status(
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


async def test_head_requests_and_wrong_accept_headers_get_no_endless_answer(
    open_stream: Open, http_server_client: Any
) -> None:
    auth = {"Authorization": "Bearer a-token-for-tests"}
    head = await http_server_client.fetch("/sse/workitems", method="HEAD", headers=auth)
    assert head.headers["Content-Type"].startswith("text/event-stream")
    wrong = await http_server_client.fetch("/sse/workitems", headers={**auth, "Accept": "image/png"}, raise_error=False)
    assert wrong.code == 406


async def test_a_fault_while_a_stream_opens_still_gives_an_answer_and_releases_the_slot(
    context: Context, open_stream: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer a proxy sends 502, and then a plain EventSource never comes back."""

    async def fails(_: Cursor) -> int:
        raise RuntimeError("for this test")

    monkeypatch.setattr(context.stream_opener, "_count_missed", fails)
    async with open_stream(headers={"Last-Event-ID": "1-1"}) as stream:
        with pytest.raises(EOFError):
            await stream.next()
    assert (stream.status, stream.messages) == (200, [])
    assert (context.stream_limits.open_count, context.hub.open_streams) == (0, [])


async def test_a_stream_that_opens_leaves_nothing_of_its_request_to_the_garbage_collector(open_stream: Open) -> None:
    gc.collect()  # objects of other tests
    gc.disable()
    try:
        async with open_stream() as stream:
            await stream.next()
            await eventually(lambda: not [each for each in gc.get_objects() if isinstance(each, StreamHandler)])
    finally:
        gc.enable()


async def test_the_end_of_a_stream_is_logged_with_the_bytes_that_its_client_got(
    context: Context, open_stream: Open
) -> None:
    with capture_logs() as lines:
        async with open_stream() as stream:
            await stream.next("connected")
            received = stream.received_bytes
        await eventually(lambda: not context.hub.joined_streams)
    (line,) = (line for line in lines if line["event"] == "stream ended")
    assert line["why"] == "client"
    assert received <= line["bytes"] < received + 10_000

"""A plain client that loses its connection between `connected` and `reset` must get `reset` when it comes back."""

from collections.abc import Callable

from server.context import Context
from tests.support.items import publish
from tests.support.sse_client import EventStream
from tests.support.waiting import eventually

Open = Callable[..., EventStream]


async def test_until_reset_comes_a_client_keeps_its_own_cursor(context: Context, open_stream: Open) -> None:
    await publish(context, 1, 2)
    await eventually(lambda: context.hub.replay_buffer.head.n == 2)
    gone = "1-1"
    async with open_stream(headers={"Last-Event-ID": gone}, last_event_id=gone) as stream:
        await stream.next("connected")
        assert stream.last_event_id == gone, "an EventSource reconnects with this"
        reset = await stream.next("reset")
    assert stream.last_event_id == reset.json["head"] == str(context.hub.replay_buffer.head)

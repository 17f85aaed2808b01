"""A plain client that is cut off between `connected` and `reset` must be told `reset` when it comes back."""

from collections.abc import Callable

from server.context import Context
from tests.server.test_stream import eventually, publish
from tests.support.sse_client import EventStream

Open = Callable[..., EventStream]


async def test_until_reset_has_come_a_client_keeps_the_cursor_that_it_asked_with(
    context: Context, open_stream: Open
) -> None:
    await publish(context, 1, 2)
    await eventually(lambda: context.hub.ring.head.n == 2)
    gone = "1-1"
    async with open_stream(headers={"Last-Event-ID": gone}, last_event_id=gone) as stream:
        await stream.next("connected")
        assert stream.last_event_id == gone, "an EventSource comes back with this"
        reset = await stream.next("reset")
    assert stream.last_event_id == reset.json["head"] == str(context.hub.ring.head)

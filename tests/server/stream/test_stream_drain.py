"""A draining process still opens streams that come over existing connections."""

import asyncio
from collections.abc import Callable

from server.context import Context
from server.stream.drain import drain
from tests.server.conftest import TOKEN
from tests.support.sse_client import EventStream
from tests.support.waiting import PATIENCE

Open = Callable[..., EventStream]

ASK = f"GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"


async def test_a_stream_over_an_existing_connection_opens_and_is_asked_to_rotate(
    context: Context, open_stream: Open, http_server_port: tuple[object, int]
) -> None:
    """Browsers do this: after `rotate`, the next request may use a connection that an earlier request left open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http_server_port[1])
    writer.write((ASK % "/healthz").encode())
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(b"alive")
    async with open_stream() as other:
        await other.next("connected")
        draining = asyncio.create_task(drain(context.hub, 3.0))
        await other.next("rotate")
        writer.write((ASK % "/sse/workitems").encode())
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b'"event":"connected"')
            await reader.readuntil(b'"event":"rotate"')
            await reader.readuntil(b"\r\n0\r\n\r\n")
    await draining
    writer.close()
    assert not context.hub.joined_streams
    assert context.stream_limits.open_count == 0

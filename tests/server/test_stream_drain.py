"""A process that hands its streams on still takes those that come over connections which it has."""

import asyncio
from collections.abc import Callable

from server.context import Context
from tests.server.conftest import TOKEN
from tests.support.sse_client import EventStream

Open = Callable[..., EventStream]

ASK = f"GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"


async def test_a_stream_asked_for_over_a_kept_connection_is_taken_and_handed_on(
    context: Context, open_stream: Open, http_server_port: tuple[object, int]
) -> None:
    """As browsers do: the answer to `rotate` may go over a connection that an earlier request left open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http_server_port[1])
    writer.write((ASK % "/healthz").encode())
    async with asyncio.timeout(10):
        await reader.readuntil(b"alive")
    async with open_stream() as other:
        await other.next("connected")
        drain = asyncio.create_task(context.hub.drain(3.0))
        await other.next("rotate")
        writer.write((ASK % "/sse/workitems").encode())
        async with asyncio.timeout(10):
            await reader.readuntil(b'"event":"connected"')
            await reader.readuntil(b'"event":"rotate"')
            await reader.readuntil(b"\r\n0\r\n\r\n")
    await drain
    writer.close()
    assert not context.hub.streams
    assert context.limits.open == 0

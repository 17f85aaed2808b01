"""Move all streams of a process to other processes before it stops."""

import asyncio
import random

from server.stream.connection import LINGER, Stream
from server.stream.hub import Hub

#: Streams that are asked to rotate in one step, at most.
_SLICE = 64

#: Seconds between two steps; each asks as many streams as are due.
_STEP = 0.01


async def drain(hub: Hub, seconds: float) -> None:
    """Ask every stream to rotate, at a steady pace, then end those that remain; done within about *seconds*."""
    clock = asyncio.get_running_loop().time
    hub.deadlines.begin_drain(seconds)
    streams = hub.open_streams
    random.shuffle(streams)
    span, start, asked = seconds - hub.deadlines.rotation_grace, clock(), 0
    while asked < len(streams) and hub.open_streams:
        share = (clock() - start) / span if span else 1.0
        due = min(len(streams), asked + _SLICE, 1 + int(share * len(streams)))
        async with hub.fan_out_lock:
            for stream in streams[asked:due]:
                hub.deadlines.rotate(stream)
        asked = max(asked, due)
        await hub.wait_empty(_STEP)
    await hub.wait_empty(hub.deadlines.rotation_grace)  # most leave as soon as their next stream is open
    late = hub.open_streams
    await hub.finish(late, "drain")
    await _wait_sent(late)


async def _wait_sent(streams: list[Stream]) -> None:
    """Wait until accepted bytes have left, for as long as an ended stream may take for it."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + LINGER
    while any(stream.queued_bytes for stream in streams) and clock() < deadline:  # noqa: ASYNC110  of many, one wait
        await asyncio.sleep(_STEP)

"""Waits for new mail: with IDLE (RFC 2177) where the server supports it, otherwise only for the time."""

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

from worker.imap.account import Timeouts
from worker.imap.client import GuardedProtocol
from worker.imap.errors import TimedOutError

#: The longest IDLE in seconds: NAT tables and some servers drop the connection soon after.
LONGEST_IDLE = 300

#: The most bytes that the server may send in one IDLE; they are parsed and dropped.
IDLE_BYTES = 16 << 20


async def idle(
    protocol: GuardedProtocol, seconds: float, stop: asyncio.Event, timeouts: Timeouts, is_supported: bool
) -> bool:
    """Wait until the folder grows, *stop* is set or *seconds* are over. Returns whether IDLE works here."""
    ends = asyncio.get_running_loop().time() + min(seconds, LONGEST_IDLE)
    if is_supported and not protocol.failure and not protocol.grown.is_set() and not stop.is_set():
        is_supported = await _idle(protocol, ends, stop, timeouts)
    # A server may refuse IDLE, or end it at once: wait here, so that the caller does not loop.
    await _first_of(ends, protocol.grown.wait(), stop.wait(), protocol.ended.wait())
    if protocol.failure:
        raise protocol.failure
    return is_supported


async def _idle(protocol: GuardedProtocol, ends: float, stop: asyncio.Event, timeouts: Timeouts) -> bool:
    now = asyncio.get_running_loop().time()
    protocol.idle_started.clear()
    running = asyncio.create_task(
        protocol.run(
            protocol.command("IDLE", total=IDLE_BYTES),
            total_seconds=max(0.0, ends - now) + timeouts.noop + timeouts.done,
            read_seconds=math.inf,
            refusal=False,
        )
    )
    try:
        await _first_of(now + timeouts.noop, protocol.idle_started.wait(), running=running)
        if not protocol.idle_started.is_set() and not running.done():
            protocol.fail(TimedOutError(f"the server did not begin to IDLE within {timeouts.noop:g} s"))
        await _first_of(ends, protocol.grown.wait(), stop.wait(), protocol.ended.wait(), running=running)
        if not running.done() and not protocol.failure:
            protocol.end_idle(total=timeouts.done)
        return (await running).status == "OK"
    finally:
        await _end(running)


async def _first_of(
    ends: float, *events: Coroutine[Any, Any, object], running: asyncio.Task[Any] | None = None
) -> None:
    """Return when one of *events* has happened, *running* is over, or the loop's clock says *ends*."""
    waits = {asyncio.ensure_future(event) for event in events}
    try:
        left = max(0.0, ends - asyncio.get_running_loop().time())
        await asyncio.wait(waits | ({running} if running else set()), timeout=left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(*waits)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel *tasks* and wait for their end. Their errors are dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()

"""Latency: from the APPEND of a mail to its event at a client, beside the IMAP commands alone.

Mails go in turn to two equal mailboxes: a worker watches the first, and a connection that only idles and fetches
watches the second. So neither disturbs the other, and noise hits both.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.imap import ImapClient
from bench.mails import find_serials, make_mail
from bench.row import Row
from bench.tubepost import HEADER, STREAM, Tubepost
from tests.support.pymap_server import PymapServer

#: Mails per second to each of the two.
RATE = 10.0

#: Mails before the counting begins.
_WARM_UP = 5

#: Seconds until a mail must have come.
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Size:
    mails: int


QUICK = Size(mails=10)
USUAL = Size(mails=300)
FULL = Size(mails=3_000)

_SETTINGS = """
[mailboxes.desk]
host = "127.0.0.1"
port = {box.port}
tls = "none"
user = "{box.user}"
password = "{box.password}"
start = "all"
"""

#: Number of a mail → seconds from the start of its APPEND until it was there.
Times = dict[int, float]


def measure(size: Size) -> list[Row]:
    with TemporaryDirectory(prefix="tubepost-bench-") as name:
        ours, bare = asyncio.run(_both(size, Path(name)))
    what, peer = f"mail → event, {RATE:g} per second", "APPEND, IDLE, FETCH"
    return [
        Row.compare(f"{what}, p50", _quantile(ours, 0.5), _quantile(bare, 0.5), "ms", peer, "≤ 15 ms"),
        Row.compare(f"{what}, p99", _quantile(ours, 0.99), _quantile(bare, 0.99), "ms", peer, "≤ 75 ms"),
    ]


def _quantile(times: Times, share: float) -> float:
    """Return a quantile in milliseconds."""
    counted = sorted(seconds for number, seconds in times.items() if number >= _WARM_UP)
    return 1000 * counted[round(share * (len(counted) - 1))]


async def _both(size: Size, place: Path) -> list[Times]:
    async with AsyncExitStack() as stack:
        boxes = [_box(stack, place / name) for name in ("watched", "bare")]
        tubepost = stack.enter_context(Tubepost(place, settings=_SETTINGS.format(box=boxes[0]), pinned=False))
        tubepost.start_worker(until="event=started\n")
        tubepost.until_watched("desk")
        stream, writer = await asyncio.open_connection("127.0.0.1", tubepost.port)
        stack.callback(writer.close)
        writer.write(f"GET {STREAM} HTTP/1.1\r\nHost: 127.0.0.1\r\n{HEADER}\r\n\r\n".encode())
        chain = await _sign_in(stack, boxes[1])
        ways = [(boxes[0], _events(stream), 0.0), (boxes[1], _mails(chain, await chain.select()), 0.5 / RATE)]
        appenders = [await _sign_in(stack, box) for box, _, _ in ways]
        count = size.mails + _WARM_UP
        return await asyncio.gather(
            *(_times(appender, came, count, after) for appender, (_, came, after) in zip(appenders, ways, strict=True))
        )


def _box(stack: AsyncExitStack, place: Path) -> PymapServer:
    place.mkdir()
    box = PymapServer(place)
    stack.callback(box.stop)
    box.start()
    return box


async def _sign_in(stack: AsyncExitStack, box: PymapServer) -> ImapClient:
    client = await ImapClient.sign_in(box.host, box.port, box.user, box.password)
    stack.callback(client.close)
    return client


async def _times(appender: ImapClient, came: AsyncIterator[int], count: int, after: float) -> Times:
    """Append *count* mails at RATE, from *after* seconds on, and note when each comes."""
    sent: Times = {}
    seen: Times = {}

    async def append() -> None:
        start = time.monotonic() + after
        for number in range(count):
            await asyncio.sleep(start + number / RATE - time.monotonic())
            sent[number] = time.monotonic()
            await appender.append(make_mail(number))

    async with asyncio.timeout(count / RATE + _TIMEOUT), asyncio.TaskGroup() as group:
        group.create_task(append())
        async for number in came:
            seen.setdefault(number, time.monotonic())
            if len(seen) == count:
                break
    return {number: seen[number] - sent[number] for number in sent}


async def _events(stream: asyncio.StreamReader) -> AsyncIterator[int]:
    while line := await stream.readline():
        if line.startswith(b'data: {"event":"new_workitem"'):
            for number in find_serials(line):
                yield number


async def _mails(chain: ImapClient, known: int) -> AsyncIterator[int]:
    while True:
        there = await chain.wait(known)
        for part in await chain.fetch(known + 1, there):
            for number in find_serials(part):
                yield number
        known = there

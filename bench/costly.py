"""Costly mail: how long ordinary mail waits while a hundred mails of as many senders use up their CPU time.

The same ordinary mail comes twice, first alone and then beside the costly ones; each mail has a sender of its own.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from tornado.httpclient import AsyncHTTPClient

from bench.mails import find_serials, make_large_mail, make_mail
from bench.row import Row
from bench.tubepost import HEADER, STREAM, TOKEN, Tubepost
from tests.support.hostile.builders import docx, paragraph
from tests.support.hostile.files import HOSTILE_FILES
from tests.support.hostile.mails import HOSTILE_MAILS
from tests.worker.reading.mails import with_file

#: Ordinary mails per second.
RATE = 20.0

#: Seconds until a mail must have come.
_TIMEOUT = 120.0

#: The costly mails in turn: their names in `tests.support.hostile`, and the size with which they are made. They take
#: 0.8 to 1.6 s of CPU time.
_COSTLY_MAILS = ("fonts, then paragraphs", "levels of lists", "plain text element")
_COSTLY_FILES = ("predictor.pdf",)
_COSTLY_SIZE = 100_000


@dataclass(frozen=True)
class Size:
    ordinary: int
    costly: int


QUICK = Size(ordinary=40, costly=4)
USUAL = Size(ordinary=600, costly=100)
FULL = USUAL


def measure(size: Size) -> list[Row]:
    with TemporaryDirectory(prefix="tubepost-bench-") as name, Tubepost(Path(name), pinned=False) as tubepost:
        tubepost.start_worker(until="event=started\n")
        tubepost.until_warm()
        alone, beside = asyncio.run(_both(size, tubepost))
    what, peer = f"ordinary mail beside {size.costly} costly mails", "alone"
    return [
        Row.compare(f"{what}, p99", _quantile(beside, 0.99), _quantile(alone, 0.99), "ms", peer, "≤ 2 s"),
        Row.compare(f"{what}, longest", _quantile(beside, 1.0), _quantile(alone, 1.0), "ms", peer, "≤ 2 s"),
    ]


def _quantile(seconds: list[float], share: float) -> float:
    """Return a quantile in milliseconds."""
    return 1000 * sorted(seconds)[round(share * (len(seconds) - 1))]


async def _both(size: Size, tubepost: Tubepost) -> tuple[list[float], list[float]]:
    costly = list(islice(_costly_mails(), size.costly))
    ordinary = {serial: _ordinary_mail(serial) for serial in range(2 * size.ordinary)}
    first, second = (dict(islice(ordinary.items(), start, start + size.ordinary)) for start in (0, size.ordinary))
    stream, writer = await asyncio.open_connection("127.0.0.1", tubepost.port)
    with closing(writer):
        writer.write(f"GET {STREAM} HTTP/1.1\r\nHost: 127.0.0.1\r\n{HEADER}\r\n\r\n".encode())
        events = _events(stream)
        alone = await _waits(tubepost, events, first)
        async with asyncio.TaskGroup() as group:
            beside = group.create_task(_waits(tubepost, events, second))
            for raw in costly:
                group.create_task(_post(tubepost, raw))
        return alone, beside.result()


async def _waits(tubepost: Tubepost, events: AsyncIterator[int], mails: dict[int, bytes]) -> list[float]:
    """Post *mails* at RATE. Return for each the seconds from its post until its event."""
    posted, seen = dict[int, float](), dict[int, float]()

    async def post(serial: int) -> None:
        posted[serial] = time.monotonic()
        await _post(tubepost, mails[serial])

    async def post_all() -> None:
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for n, serial in enumerate(mails):
                await asyncio.sleep(start + n / RATE - time.monotonic())
                group.create_task(post(serial))

    async with asyncio.timeout(len(mails) / RATE + _TIMEOUT), asyncio.TaskGroup() as tasks:
        tasks.create_task(post_all())
        async for serial in events:
            seen[serial] = time.monotonic()
            if len(seen) == len(mails):
                break
    return [seen[serial] - posted[serial] for serial in mails]


async def _post(tubepost: Tubepost, raw: bytes) -> None:
    await AsyncHTTPClient().fetch(
        f"http://127.0.0.1:{tubepost.port}/api/email/intake",
        method="POST",
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "message/rfc822"},
        body=raw,
        request_timeout=_TIMEOUT,
    )


async def _events(stream: asyncio.StreamReader) -> AsyncIterator[int]:
    """Give the serials of the ordinary mails whose items appear."""
    while line := await stream.readline():
        if line.startswith(b'data: {"event":"new_workitem"'):
            for serial in find_serials(line):
                yield serial


def _ordinary_mail(serial: int) -> bytes:
    """Make a mail of one of four kinds: a short one, a newsletter, one with a photograph, one with a letter in Word."""
    makers: list[Callable[[int], bytes]] = [make_mail, lambda n: make_mail(n, 60_000), make_large_mail, _with_letter]
    return makers[serial % len(makers)](serial).replace(b"sender.example", b"sender%d.example" % serial)


def _with_letter(serial: int) -> bytes:
    mail = message_from_bytes(make_mail(serial), policy=SMTP)
    assert isinstance(mail, EmailMessage)
    letter = docx(paragraph("Policy Number: AB-0012345, as agreed.") * 30)
    mail.add_attachment(letter, maintype="application", subtype="octet-stream", filename="letter.docx")
    return bytes(mail)


def _costly_mails() -> Iterator[bytes]:
    """Make mails of which each has another domain."""
    made = [HOSTILE_MAILS[name](_COSTLY_SIZE) for name in _COSTLY_MAILS]
    made += [with_file(name, "application/octet-stream", HOSTILE_FILES[name](_COSTLY_SIZE)) for name in _COSTLY_FILES]
    for n, raw in enumerate(cycle(made)):
        head, _, body = raw.partition(b"\r\n\r\n")
        yield head.replace(b"client.example", b"client%d.example" % n) + b"\r\n\r\n" + body

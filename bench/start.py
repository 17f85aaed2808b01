"""Start: how soon a worker watches a large mailbox of which it takes only new mail, beside SELECT alone."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from bench.imap import ImapClient
from bench.intake import SETTINGS
from bench.row import Row
from bench.tubepost import Tubepost
from tests.support.dovecot import Dovecot
from workitems.base import keys

#: Seconds that Dovecot may take to index so many mails, and the worker to begin to watch them.
_TIMEOUT = 300.0

_MAIL = b"Message-ID: <%d@bench.example>\r\nFrom: a@sender.example\r\nSubject: Old mail %d\r\n\r\nLong read.\r\n"


@dataclass(frozen=True)
class Size:
    mails: int


QUICK = Size(mails=2_000)
USUAL = Size(mails=100_000)
FULL = USUAL


def measure(size: Size) -> list[Row]:
    with TemporaryDirectory(prefix="tubepost-bench-") as name:
        place = Path(name)
        box = Dovecot(place / "dovecot")
        box.start()
        try:
            box.seed((_MAIL % (n, n) for n in range(size.mails)), flags="S")
            asyncio.run(_select(box))  # at the first SELECT Dovecot makes its index
            peer = asyncio.run(_select(box))
            ours = _start_worker(box, place)
        finally:
            box.stop()
    figure = f'start = "now" on {size.mails:,} messages: ready to watching'
    return [Row.compare(figure, ours, peer, "s", "sign in and SELECT", "≤ 2 s")]


async def _select(box: Dovecot) -> float:
    """Return the seconds from the connection to the end of SELECT."""
    start = time.monotonic()
    client = await ImapClient.sign_in(box.host, box.port, box.user, box.password, answer_timeout=_TIMEOUT)
    await client.select()
    client.close()
    return time.monotonic() - start


def _start_worker(box: Dovecot, place: Path) -> float:
    """Return the seconds from the worker being ready to connect until its state is `watching`, with no mail taken."""
    settings = SETTINGS.format(box=box).replace('start = "all"', 'start = "now"')
    with Tubepost(place, settings=settings, pinned=False) as tubepost:
        tubepost.start_worker(until="event=started\n")
        start = time.monotonic()
        tubepost.until_watched("desk", _TIMEOUT)
        seconds = time.monotonic() - start
        with Redis.from_url(tubepost.redis.url) as redis:
            assert not redis.exists(keys.INTAKE) or not redis.xlen(keys.INTAKE)
    return seconds

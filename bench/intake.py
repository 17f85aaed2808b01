"""Intake: a mailbox full of mail, from its first fetch to its last item, beside mbsync copying the same mailbox."""

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from bench.letters import letter
from bench.row import Row
from bench.tubepost import Tubepost
from tests.support.dovecot import Dovecot
from workitems import keys

#: Seconds that a mail may take; far more than any does.
_PATIENCE_A_MAIL, _PATIENCE = 0.05, 60.0

#: Seconds between looks at how far the worker is: each asks Redis once.
_LOOK = 0.02


@dataclass(frozen=True)
class Size:
    mails: int


QUICK = Size(mails=500)
USUAL = Size(mails=5_000)
FULL = USUAL

_SETTINGS = """
stream.history = 1000000
intake.most = 1000000
[mailboxes.desk]
host = "127.0.0.1"
port = {box.port}
tls = "none"
user = "{box.user}"
password = "{box.password}"
start = "all"
"""

_MBSYNC = """
IMAPAccount box
Host 127.0.0.1
Port {box.port}
User {box.user}
Pass {box.password}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account box

MaildirStore near
Path {place}/
Inbox {place}/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Sync Pull
Create Near
SyncState *
"""


def measure(size: Size) -> list[Row]:
    """mbsync copies before and after: what changes on the machine meanwhile, half of it meets both."""
    with TemporaryDirectory(prefix="tubepost-bench-") as name:
        place = Path(name)
        box = Dovecot(place / "dovecot")
        box.start()
        try:
            box.seed(map(letter, range(size.mails)))
            before = _copy(box, place / "before", size.mails)
            seconds = _take_in(box, place, size.mails)
            copies = [each for each in (before, _copy(box, place / "after", size.mails)) if each]
        finally:
            box.stop()
    figure, ours = f"intake of {size.mails:,} mails of 4 kB", size.mails / seconds
    if not copies:
        return [Row(figure, f"{ours:,.0f} mails/s", "mbsync: not installed", None, "≥ 0.5")]
    theirs = size.mails * len(copies) / sum(copies)
    return [Row.compare(figure, ours, theirs, "mails/s", "mbsync, copy alone", "≥ 0.5")]


def _copy(box: Dovecot, place: Path, mails: int) -> float | None:
    """Seconds that mbsync takes, from its start to its end."""
    if not shutil.which("mbsync"):
        return None
    place.mkdir()
    config = place / "mbsyncrc"
    config.write_text(_MBSYNC.format(box=box, place=place))
    start = time.monotonic()
    command = ["mbsync", "-q", "-c", str(config), "all"]
    subprocess.run(command, check=True, stderr=subprocess.PIPE, timeout=_PATIENCE + mails * _PATIENCE_A_MAIL)
    seconds = time.monotonic() - start
    copied = sum(1 for part in ("new", "cur") for _ in (place / "INBOX" / part).iterdir())
    assert copied == mails, f"mbsync copied {copied} of {mails} mails"
    return seconds


def _take_in(box: Dovecot, place: Path, mails: int) -> float:
    """Seconds from the worker being ready to connect until the last mail is an item and nothing waits."""
    with Tubepost(place, settings=_SETTINGS.format(box=box), pinned=False) as tubepost:
        tubepost.start_worker(until="event=started\n")
        start = time.monotonic()
        deadline = start + _PATIENCE + mails * _PATIENCE_A_MAIL
        with Redis.from_url(tubepost.redis.url) as redis:
            while redis.zcard(keys.items()) < mails or redis.xlen(keys.INTAKE):
                if time.monotonic() > deadline:
                    there = f"{redis.zcard(keys.items())} of {mails} mails became items in time"
                    raise RuntimeError(f"{there}:\n{tubepost.worker_log()}")
                time.sleep(_LOOK)
        return time.monotonic() - start

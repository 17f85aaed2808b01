"""Intake: a mailbox full of mail, from its first fetch to its last item, beside mbsync copying the same mailbox."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from bench.letters import large_letter, letter
from bench.machine import ended, spent, stopped
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
    large: int


QUICK = Size(mails=500, large=50)
USUAL = Size(mails=5_000, large=500)
FULL = USUAL

SETTINGS = """
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


@dataclass(frozen=True)
class Taken:
    """How long it took, and the processor's seconds by process."""

    seconds: float
    cpu: dict[str, float]


def measure(size: Size) -> list[Row]:
    """In one folder, removed at the end: a file system may take long over new files while it removes many others."""
    with TemporaryDirectory(prefix="tubepost-bench-") as name:
        return [
            *_measure(Path(name, "small"), size.mails, letter, "4 kB"),
            *_measure(Path(name, "large"), size.large, large_letter, "200 kB"),
        ]


def _measure(place: Path, mails: int, write: Callable[[int], bytes], kind: str) -> list[Row]:
    """mbsync copies before and after: what changes on the machine meanwhile, half of it meets both."""
    place.mkdir()
    box = Dovecot(place / "dovecot")
    box.start()
    try:
        box.seed(map(write, range(mails)))
        os.sync()  # else the first who syncs a file system pays for what was seeded
        before = _copy(box, place / "before", mails)
        ours = _take_in(box, place, mails)
        copies = [each for each in (before, _copy(box, place / "after", mails)) if each]
    finally:
        box.stop()
    figure = f"intake of {mails:,} mails of {kind}"
    share = {name: 1000 * each / mails for name, each in ours.cpu.items()}
    parts = ", ".join(f"{name} {each:.2f}" for name, each in share.items())
    print(f"{figure}, milliseconds on a core for each: {parts}", file=sys.stderr)
    if not copies:
        return [Row(figure, f"{mails / ours.seconds:,.0f} mails/s", "mbsync: not installed", None, "≥ 0.5")]
    theirs = mails * len(copies) / sum(copy.seconds for copy in copies)
    work = 1000 * sum(sum(copy.cpu.values()) for copy in copies) / len(copies) / mails
    peer = "mbsync, copy alone"
    return [
        Row.compare(figure, mails / ours.seconds, theirs, "mails/s", peer, "≥ 0.5"),
        Row.compare(f"{figure}: CPU a mail", sum(share.values()), work, "ms", peer, ""),
    ]


def _copy(box: Dovecot, place: Path, mails: int) -> Taken | None:
    """What mbsync takes, from its start to its end."""
    if not shutil.which("mbsync"):
        return None
    place.mkdir()
    config = place / "mbsyncrc"
    config.write_text(_MBSYNC.format(box=box, place=place))
    start, before, served = time.monotonic(), _children(), spent(box.pid)
    command = ["mbsync", "-q", "-c", str(config), "all"]
    subprocess.run(command, check=True, stderr=subprocess.PIPE, timeout=_PATIENCE + mails * _PATIENCE_A_MAIL)
    seconds = time.monotonic() - start
    copied = sum(1 for part in ("new", "cur") for _ in (place / "INBOX" / part).iterdir())
    assert copied == mails, f"mbsync copied {copied} of {mails} mails"
    return Taken(seconds, {"mbsync": _children() - before, "Dovecot": spent(box.pid) - served})


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _take_in(box: Dovecot, place: Path, mails: int) -> Taken:
    """From the worker and its children being ready until the last mail is an item and nothing waits."""
    with Tubepost(place, settings=SETTINGS.format(box=box), pinned=False) as tubepost:
        with stopped(box.pid):  # nobody answers before all of the worker is there
            tubepost.start_worker(until="event=started\n")
            tubepost.until_warm()
        start, before = time.monotonic(), _spent(tubepost, box)
        wait_for(tubepost, mails)
        seconds = time.monotonic() - start
        after = _spent(tubepost, box)
    return Taken(seconds, {name: after[name] - before[name] for name in after})


def _spent(tubepost: Tubepost, box: Dovecot) -> dict[str, float]:
    worker, *children = tubepost.worker_pids
    read = sum(map(spent, children)) + ended(worker)
    pids = {"Redis": tubepost.redis_pid, "Dovecot": box.pid, "server": tubepost.pid}
    return {
        "worker": spent(worker) - read,
        "reading children": read,
        **{name: spent(pid) for name, pid in pids.items()},
    }


def wait_for(tubepost: Tubepost, mails: int) -> None:
    """Until *mails* are items and none waits. RuntimeError after a time that is far longer than any takes."""
    deadline = time.monotonic() + _PATIENCE + mails * _PATIENCE_A_MAIL
    with Redis.from_url(tubepost.redis.url) as redis:
        while redis.zcard(keys.items()) < mails or redis.xlen(keys.INTAKE):
            if time.monotonic() > deadline:
                there = f"{redis.zcard(keys.items())} of {mails} mails became items in time"
                raise RuntimeError(f"{there}:\n{tubepost.worker_log()}")
            time.sleep(_LOOK)

"""Intake: a full mailbox, from the first fetch to the last item, beside two peers with the same mailbox.

mbsync copies it. django-mailbox does the whole job of intake: it reads each mail into a database.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from bench.machine import ended, spent, stopped
from bench.mails import make_large_mail, make_mail
from bench.row import Row
from bench.tubepost import Tubepost
from tests.support.dovecot import Dovecot
from workitems.base import keys

#: Seconds for each mail and for all: far more than they take.
_TIMEOUT_PER_MAIL, _TIMEOUT = 0.05, 60.0
#: The same for each mail of the peer that commits each mail several times. It gets a part of the mails: its speed is
#: the same for each, and all would take minutes.
_TIMEOUT_PER_STORED, _STORED = 0.5, 1 / 10

#: Seconds between two checks of how far the worker is: each asks Redis once.
_CHECK = 0.02


@dataclass(frozen=True)
class Size:
    mails: int
    large: int


QUICK = Size(mails=500, large=50)
USUAL = Size(mails=5_000, large=500)
FULL = USUAL

SETTINGS = """
stream.max_feed_events = 1000000
intake.max_waiting = 1000000
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
class Measurement:
    """Mails, and for all of them seconds of the clock, and seconds on a core by process."""

    mails: int
    seconds: float
    cpu: dict[str, float]


def measure(size: Size) -> list[Row]:
    """Use one folder, removed at the end: a file system may be slow with new files while it removes many others."""
    with TemporaryDirectory(prefix="tubepost-bench-") as name:
        return [
            *_measure(Path(name, "small"), size.mails, make_mail, "4 kB"),
            *_measure(Path(name, "large"), size.large, make_large_mail, "200 kB"),
        ]


def _measure(place: Path, mails: int, write: Callable[[int], bytes], kind: str) -> list[Row]:
    """Let mbsync copy before and after: what changes on the machine in between affects both by half."""
    place.mkdir()
    box = Dovecot(place / "dovecot")
    box.start()
    try:
        box.seed(map(write, range(mails)))
        os.sync()  # else the first program that syncs the file system pays for the seeded mails
        before = _copy(box, place / "before", mails)
        ours = _measure_worker(box, place, mails)
        copies = [each for each in (before, _copy(box, place / "after", mails)) if each]
        stored = _store(box, place / "stored", max(1, int(mails * _STORED)))  # the last: it deletes mails
    finally:
        box.stop()
    figure = f"intake of {mails:,} mails of {kind}"
    share = {name: 1000 * each / mails for name, each in ours.cpu.items()}
    parts = ", ".join(f"{name} {each:.2f}" for name, each in share.items())
    print(f"{figure}, milliseconds on a core for each: {parts}", file=sys.stderr)
    return [
        *rows(figure, ours, copies, "mbsync", "copy alone", "≥ 0.5"),
        *rows(figure, ours, stored, "django-mailbox", "into SQLite", ""),
    ]


def rows(figure: str, ours: Measurement, theirs: list[Measurement], peer: str, job: str, aim: str) -> list[Row]:
    """Return the rows beside one peer, of which there may be several measurements or none."""
    speed = ours.mails / ours.seconds
    if not theirs:
        return [Row(figure, f"{speed:,.0f} mails/s", f"{peer}: not installed", None, aim)]
    mails = sum(each.mails for each in theirs)
    seconds = sum(each.seconds for each in theirs)
    work = sum(sum(each.cpu.values()) for each in theirs)
    name = f"{peer}, {job}"
    return [
        Row.compare(figure, speed, mails / seconds, "mails/s", name, aim),
        Row.compare(
            f"{figure}: CPU a mail", 1000 * sum(ours.cpu.values()) / ours.mails, 1000 * work / mails, "ms", name, ""
        ),
    ]


def _copy(box: Dovecot, place: Path, mails: int) -> Measurement | None:
    """Measure mbsync from its start to its end; None when it is not installed."""
    if not shutil.which("mbsync"):
        return None
    place.mkdir()
    config = place / "mbsyncrc"
    config.write_text(_MBSYNC.format(box=box, place=place))
    start, before, served = time.monotonic(), _children(), spent(box.pid)
    command = ["mbsync", "-q", "-c", str(config), "all"]
    subprocess.run(command, check=True, stderr=subprocess.PIPE, timeout=_TIMEOUT + mails * _TIMEOUT_PER_MAIL)
    seconds = time.monotonic() - start
    copied = sum(1 for part in ("new", "cur") for _ in (place / "INBOX" / part).iterdir())
    assert copied == mails, f"mbsync copied {copied} of {mails} mails"
    return Measurement(mails, seconds, {"mbsync": _children() - before, "Dovecot": spent(box.pid) - served})


def _store(box: Dovecot, place: Path, mails: int) -> list[Measurement]:
    """Measure django-mailbox from its first connection to the last of so many mails; [] when it is not installed."""
    if find_spec("django_mailbox") is None:
        return []
    place.mkdir()
    uri = f"imap://{box.user}:{box.password}@{box.host}:{box.port}"
    command = [sys.executable, "-m", "bench.sqlite_intake", str(place), uri, str(mails)]
    served = spent(box.pid)
    limit = _TIMEOUT + mails * _TIMEOUT_PER_STORED
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=limit)
    used = json.loads(done.stdout)
    assert used["mails"] == mails, f"django-mailbox stored {used['mails']} of {mails} mails"
    return [Measurement(mails, used["seconds"], {"django-mailbox": used["cpu"], "Dovecot": spent(box.pid) - served})]


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _measure_worker(box: Dovecot, place: Path, mails: int) -> Measurement:
    """Measure from the moment when the worker and its children are ready until the last mail is an item."""
    with Tubepost(place, settings=SETTINGS.format(box=box), pinned=False) as tubepost:
        with stopped(box.pid):  # no IMAP answer comes before the whole worker is ready
            tubepost.start_worker(until="event=started\n")
            tubepost.until_warm()
        start, before = time.monotonic(), _spent(tubepost, box)
        wait_for(tubepost, mails)
        seconds = time.monotonic() - start
        after = _spent(tubepost, box)
    return Measurement(mails, seconds, {name: after[name] - before[name] for name in after})


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
    """Wait until *mails* are items and none waits. RuntimeError after a time that is far longer than that takes."""
    deadline = time.monotonic() + _TIMEOUT + mails * _TIMEOUT_PER_MAIL
    with Redis.from_url(tubepost.redis.url) as redis:
        while redis.zcard(keys.items()) < mails or redis.xlen(keys.INTAKE):
            if time.monotonic() > deadline:
                there = f"{redis.zcard(keys.items())} of {mails} mails became items in time"
                raise RuntimeError(f"{there}:\n{tubepost.worker_log()}")
            time.sleep(_CHECK)

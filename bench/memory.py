"""Memory: what a worker and its children use after the first thousands of mails, and after many times as many."""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.intake import SETTINGS, wait_for
from bench.machine import memory
from bench.mails import make_mail
from bench.row import Row
from bench.tubepost import Tubepost
from tests.support.dovecot import Dovecot

#: Bytes of a mail.
_SIZE = 2_000


@dataclass(frozen=True)
class Size:
    """`mails` come in `steps` batches."""

    mails: int
    steps: int = 5


QUICK = Size(mails=5_000)
USUAL = Size(mails=50_000)
FULL = USUAL


def measure(size: Size) -> list[Row]:
    batch, found = size.mails // size.steps, []
    with TemporaryDirectory(prefix="tubepost-bench-") as name:
        place = Path(name)
        box = Dovecot(place / "dovecot")
        box.start()
        try:
            with Tubepost(place, settings=SETTINGS.format(box=box), pinned=False) as tubepost:
                tubepost.start_worker(until="event=started\n")
                for step in range(size.steps):
                    box.seed(make_mail(serial, _SIZE) for serial in range(step * batch, (step + 1) * batch))
                    wait_for(tubepost, (step + 1) * batch)
                    found.append(memory(tubepost.worker_pids[0]) / 1024)
                    print(f"memory after {(step + 1) * batch:,} mails: {found[-1]:.1f} MiB", file=sys.stderr)
        finally:
            box.stop()
    figure = f"memory of a worker and its children after {size.mails:,} mails"
    return [Row.compare(figure, found[-1], found[0], "MiB", f"after {batch:,}", "flat")]

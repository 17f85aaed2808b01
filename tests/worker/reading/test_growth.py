"""Twice as much of anything costs at most three times the work: no reader takes quadratic time."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.support.cpu_time import cpu_seconds
from tests.support.hostile.files import HOSTILE_FILES
from tests.support.hostile.mails import HOSTILE_MAILS
from tests.worker.reading.mails import with_file
from worker.reading import read

#: The smaller size: the work on it is more than starting costs, and less than the limits that end all work.
SIZE = 20_000

#: Seconds that do not grow, and that a busy machine may add.
FLOOR = 0.05


def with_hostile_file(name: str, size: int) -> bytes:
    kind = "application/ms-tnef" if name.endswith("winmail.dat") else "application/octet-stream"
    return with_file(name, kind, HOSTILE_FILES[name](size))


MAKERS: dict[str, Callable[[int], bytes]] = {
    **HOSTILE_MAILS,
    **{name: partial(with_hostile_file, name) for name in HOSTILE_FILES},
}


@pytest.mark.parametrize("name", MAKERS)
def test_twice_the_mail_costs_at_most_three_times_the_work(name: str) -> None:
    read(MAKERS[name](SIZE // 100))  # loads the libraries
    small, large = (MAKERS[name](size) for size in (SIZE, 2 * SIZE))
    measured = []
    for _ in range(3):  # other work of the machine may slow one measurement; quadratic work is slow in each
        once, twice = (cpu_seconds(partial(read, raw), runs=1) for raw in (small, large))
        measured.append((once, twice))
        if twice <= 3 * once + FLOOR:
            return
    pytest.fail(f"seconds for a mail and for one of twice its size: {measured}")

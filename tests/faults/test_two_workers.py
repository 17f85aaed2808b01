"""Two real workers and one mailbox: one watches it, the other takes over, and a sleeper that wakes up does no harm."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.post_office import PostOffice, letter
from tests.support.program import Program
from workitems import keys
from workitems.identity import item_id

#: Seconds of a lease; the least that may be set.
LEASE = 2


@pytest.fixture
def office(tmp_path: Path) -> Iterator[PostOffice]:
    office = PostOffice(tmp_path, settings=f"[worker]\nreaders = 1\nabandoned = 1\nlease = {LEASE}\n").open()
    yield office
    office.close()


@pytest.fixture
def workers(office: PostOffice, tmp_path: Path) -> Iterator[dict[str, Program]]:
    made = {}
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        environment = {"TUBEPOST_WORKER__NAME": name}
        made[name] = Program("worker", folder, office.config.read_text(), environment)
    yield made
    for program in made.values():
        if program.process is not None:
            program.process.send_signal(signal.SIGCONT)
        program.stop()


def holder(office: PostOffice) -> str:
    with office.redis() as client:
        return (client.get(keys.lease("desk")) or b"").decode().partition(" ")[2]


def test_a_worker_that_was_stopped_is_followed_by_the_other_and_moves_nothing_when_it_wakes_up(
    office: PostOffice, workers: dict[str, Program]
) -> None:
    first = [letter(n) for n in range(5)]
    office.dovecot.seed(first)
    workers["one"].start()
    ids = {item_id("desk", raw) for raw in first}
    office.log = workers["one"].log
    office.until_read(ids)
    workers["two"].start()
    office.until(lambda: "another worker watches" in workers["two"].log.read_text(), "the other stands by")

    sleeper = workers["one"].process
    assert sleeper is not None
    os.kill(sleeper.pid, signal.SIGSTOP)
    second = [letter(n) for n in range(5, 10)]
    office.dovecot.seed(second)
    ids |= {item_id("desk", raw) for raw in second}
    office.until(lambda: holder(office) == "two", "it is taken over")
    office.until_read(ids)
    checkpoint = office.checkpoint()
    os.kill(sleeper.pid, signal.SIGCONT)
    office.until(lambda: "another worker watches" in workers["one"].log.read_text(), "the sleeper finds out")
    assert holder(office) == "two"
    assert office.checkpoint() == checkpoint == 10

    workers["two"].stop()
    office.until(lambda: holder(office) == "one", "it is given back at once")
    office.dovecot.seed([letter(10)])
    office.until_read(ids | {item_id("desk", letter(10))})
    assert [kind for kind, _, _ in office.events()].count("new_workitem") == 11
    told = workers["one"].log.read_text() + workers["two"].log.read_text()
    assert not [line for line in told.splitlines() if "level=error" in line or "level=warning" in line], told

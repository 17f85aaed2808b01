"""Two real workers and one mailbox: one watches it, the other takes over when the first is suspended."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.worker_harness import WorkerHarness, make_mail
from tests.support.program import Program
from workitems.base import keys
from workitems.intake.identity import item_id

#: Seconds of a lease; the smallest setting.
LEASE = 2


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WorkerHarness]:
    harness = WorkerHarness(
        tmp_path, settings=f"[worker]\nreading_children = 1\nabandoned_after_seconds = 1\nlease_seconds = {LEASE}\n"
    ).open()
    yield harness
    harness.close()


@pytest.fixture
def workers(harness: WorkerHarness, tmp_path: Path) -> Iterator[dict[str, Program]]:
    made = {}
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        environment = {"TUBEPOST_WORKER__NAME": name}
        made[name] = Program("worker", folder, harness.config.read_text(), environment)
    yield made
    for program in made.values():
        if program.process is not None:
            program.process.send_signal(signal.SIGCONT)
        program.stop()


def lease_owner(harness: WorkerHarness) -> str:
    with harness.redis() as client:
        return (client.get(keys.lease("desk")) or b"").decode().partition(" ")[2]


def test_another_worker_replaces_a_suspended_one_which_changes_nothing_when_it_resumes(
    harness: WorkerHarness, workers: dict[str, Program]
) -> None:
    first = [make_mail(n) for n in range(5)]
    harness.dovecot.seed(first)
    workers["one"].start()
    ids = {item_id("desk", raw) for raw in first}
    harness.log = workers["one"].log
    harness.until_read(ids)
    workers["two"].start()
    harness.until(lambda: "another worker watches" in workers["two"].log.read_text(), "the other worker waits")

    suspended = workers["one"].process
    assert suspended is not None
    os.kill(suspended.pid, signal.SIGSTOP)
    second = [make_mail(n) for n in range(5, 10)]
    harness.dovecot.seed(second)
    ids |= {item_id("desk", raw) for raw in second}
    harness.until(lambda: lease_owner(harness) == "two", "the mailbox is taken over")
    harness.until_read(ids)
    checkpoint = harness.checkpoint()
    os.kill(suspended.pid, signal.SIGCONT)
    harness.until(lambda: "another worker watches" in workers["one"].log.read_text(), "the suspended worker notices")
    assert lease_owner(harness) == "two"
    assert harness.checkpoint() == checkpoint == 10

    workers["two"].stop()
    harness.until(lambda: lease_owner(harness) == "one", "the lease is released at once")
    harness.dovecot.seed([make_mail(10)])
    harness.until_read(ids | {item_id("desk", make_mail(10))})
    assert [kind for kind, _, _ in harness.events()].count("new_workitem") == 11
    logs = workers["one"].log.read_text() + workers["two"].log.read_text()
    faults = [line for line in logs.splitlines() if "level=error" in line or "level=warning" in line]
    # On a slow machine the suspension is longer than the time-out of a request that waited meanwhile.
    assert not [line for line in faults if "Redis cannot serve: TimeoutError" not in line], logs

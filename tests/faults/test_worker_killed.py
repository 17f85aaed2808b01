"""The worker is killed at each critical point, as by a power cut, and started again: each mail is one item."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.worker_harness import PROJECT, WorkerHarness, make_mail
from workitems.intake.identity import item_id

MESSAGES = sorted((PROJECT / "tests" / "messages").glob("*.eml"))


@pytest.fixture
def make_harness(tmp_path: Path) -> Iterator[Callable[..., WorkerHarness]]:
    made: list[WorkerHarness] = []

    def make(**arguments: str) -> WorkerHarness:
        made.append(WorkerHarness(tmp_path, **arguments))
        return made[-1].open()

    yield make
    for harness in made:
        harness.close()


@pytest.mark.parametrize("failpoint", ["stored", "put", "reading", "read", "acknowledge", "published"])
def test_a_worker_killed_at_any_point_loses_and_duplicates_no_mail(
    failpoint: str, make_harness: Callable[..., WorkerHarness]
) -> None:
    harness = make_harness()
    mails = [path.read_bytes() for path in MESSAGES] or [make_mail(n) for n in range(60)]
    harness.dovecot.seed(mails)
    expected = {item_id("desk", raw) for raw in mails}

    harness.start_worker(failpoint=f"{failpoint}:7")
    assert harness.worker is not None
    assert harness.worker.wait(45) == -9, "the failpoint was reached"
    harness.start_worker()
    harness.until_read(expected)

    assert Counter(item for kind, item, _ in harness.events() if kind == "new_workitem") == dict.fromkeys(expected, 1)


def test_a_worker_that_is_killed_repeatedly_reads_all_mail(make_harness: Callable[..., WorkerHarness]) -> None:
    harness = make_harness()
    expected = set()
    for n, failpoint in enumerate(("stored", "published", "acknowledge")):
        mails = [make_mail(60 * n + m) for m in range(60)]
        harness.dovecot.seed(mails)
        expected |= {item_id("desk", raw) for raw in mails}
        harness.start_worker(failpoint=f"{failpoint}:9")
        assert harness.worker is not None
        assert harness.worker.wait(45) == -9
    harness.start_worker()
    harness.until_read(expected)
    assert Counter(item for kind, item, _ in harness.events() if kind == "new_workitem") == dict.fromkeys(expected, 1)


def test_the_repair_puts_stored_mail_that_the_mailbox_has_lost(
    make_harness: Callable[..., WorkerHarness],
) -> None:
    harness = make_harness()
    raw = make_mail(1)
    harness.dovecot.seed([raw])
    harness.start_worker(failpoint="stored")
    assert harness.worker is not None
    assert harness.worker.wait(45) == -9
    for path in harness.dovecot.maildir().glob("*/*.tests*"):
        path.unlink()
    harness.redis_server.kill()  # after a restart of Redis, no put can be unfinished
    harness.redis_server.start()
    harness.start_worker()
    harness.until_read([item_id("desk", raw)])

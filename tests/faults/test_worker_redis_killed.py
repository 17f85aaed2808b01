"""Redis is killed while a worker runs, or loses its last writes: each mail becomes exactly one item."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.worker_harness import PATIENCE, WorkerHarness, make_mail
from workitems.base import keys
from workitems.intake.identity import item_id


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WorkerHarness]:
    harness = WorkerHarness(tmp_path).open()
    yield harness
    harness.close()


def _ids(mails: list[bytes]) -> set[str]:
    return {item_id("desk", raw) for raw in mails}


def _count_new(harness: WorkerHarness) -> Counter[str]:
    return Counter(item for kind, item, _ in harness.events() if kind == "new_workitem")


def test_each_mail_becomes_one_item_when_redis_is_killed(harness: WorkerHarness) -> None:
    mails = [make_mail(n) for n in range(150)]
    harness.start_worker()
    harness.dovecot.seed(mails[:100])
    for count in (20, 60):
        harness.until(lambda count=count: len(harness.items()) >= count, "mail comes")  # type: ignore[misc]
        harness.redis_server.kill()
        harness.redis_server.start()
    harness.dovecot.seed(mails[100:])
    harness.until_read(_ids(mails))
    assert _count_new(harness) == dict.fromkeys(_ids(mails), 1)


def test_a_worker_that_waits_for_redis_can_be_stopped(harness: WorkerHarness) -> None:
    harness.redis_server.kill()
    harness.dovecot.seed([make_mail(1)])
    harness.start_worker()
    harness.until(lambda: "waiting for Redis" in harness.log.read_text(), "the log says that it waits")
    assert harness.worker is not None
    harness.worker.terminate()
    assert harness.worker.wait(PATIENCE) == 0

    harness.start_worker()
    harness.redis_server.start()
    harness.until_read(_ids([make_mail(1)]))


def test_mail_whose_item_redis_lost_is_read_again(harness: WorkerHarness) -> None:
    mails = [make_mail(n) for n in range(40)]
    harness.dovecot.seed(mails)
    harness.start_worker()
    harness.until_read(_ids(mails))
    before = harness.events()

    harness.redis_server.kill()
    file = harness.redis_server.append_only_files[-1]
    os.truncate(file, file.stat().st_size * 2 // 3)
    harness.redis_server.start()
    kept = {item for _, item, _ in harness.events()}
    assert 0 < len(kept) < len(mails), "the cut removed some of the items"
    harness.dovecot.seed([make_mail(99)])

    harness.until_read(_ids([*mails, make_mail(99)]))
    assert _count_new(harness) == dict.fromkeys(_ids([*mails, make_mail(99)]), 1)
    assert set(_count_new(harness)) - kept == _ids([*mails, make_mail(99)]) - kept
    assert len(before) == len(mails)


def test_no_mail_is_lost_when_redis_loses_everything(harness: WorkerHarness) -> None:
    mails = [make_mail(n) for n in range(10)]
    harness.dovecot.seed(mails)
    harness.start_worker()
    harness.until_read(_ids(mails))
    harness.redis_server.lose_everything()
    harness.until_read(_ids(mails))
    assert _count_new(harness) == dict.fromkeys(_ids(mails), 1)


def test_the_checkpoint_follows_the_mail_that_was_put(harness: WorkerHarness) -> None:
    harness.dovecot.seed([make_mail(n) for n in range(5)])
    harness.start_worker()
    harness.until_read(_ids([make_mail(n) for n in range(5)]))
    harness.until(lambda: harness.checkpoint() == 5, "the checkpoint is at the last mail")
    with harness.redis() as client:
        record = client.hgetall(keys.mailbox("desk"))
    assert record[b"state"] == b"watching"
    assert record[b"error"] == b""

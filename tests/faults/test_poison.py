"""Mail that loops, allocates 2 GB or crashes its reader becomes an item for review, and other mail does not wait."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.worker_harness import WorkerHarness, make_mail
from worker.main import SPARE_CHILDREN
from workitems.base import keys
from workitems.intake.identity import item_id

READERS = ("tests.faults.readers:prepare", "tests.faults.readers:prepare_headers")

#: Time limit of a counted attempt in seconds. Mail that loops is read three times so long: ordinary mail is read within
#: that time on a slow machine, too, unless it waits for the poison.
LIMIT = 5

#: Text in the reason of each poison.
REASONS = {"spin": f"took longer than {LIMIT} s", "memory": "more memory", "crash": "SIGABRT"}


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WorkerHarness]:
    harness = WorkerHarness(tmp_path, settings=f"[worker]\nretry_read_seconds = {LIMIT}").open()
    yield harness
    harness.close()


def _poison(n: int, kind: str) -> bytes:
    return make_mail(n, headers=f"X-Poison: {kind}\r\n")


def test_poison_becomes_an_item_for_review_and_ordinary_mail_does_not_wait_for_it(harness: WorkerHarness) -> None:
    harness.start_worker(*READERS)
    harness.dovecot.seed([make_mail(0)])
    first = item_id("desk", make_mail(0))
    harness.until_read([first])
    harness.until(lambda: _count_started_children(harness) >= 2 + SPARE_CHILDREN, "all reading children are ready")
    poison = [_poison(n, kind) for n, kind in enumerate(REASONS, 10)]
    ordinary = [make_mail(n) for n in range(20, 50)]
    harness.dovecot.seed([*poison, *ordinary])

    poison_ids = dict(zip(REASONS, (item_id("desk", raw) for raw in poison), strict=True))
    ordinary_ids = {item_id("desk", raw) for raw in ordinary}
    harness.until_read({first, *poison_ids.values(), *ordinary_ids})
    items = harness.items()
    for kind, item in poison_ids.items():
        assert "needs_review" in items[item]["flags"]
        assert REASONS[kind] in items[item]["reason"]
        assert items[item]["subject"].startswith("Letter"), "the headers were read"
    assert not any("needs_review" in items[item]["flags"] for item in ordinary_ids)
    published = [item for kind, item, _ in harness.events() if kind == "new_workitem"]
    assert ordinary_ids < set(published[: published.index(poison_ids["spin"])]), "it was published last"


def _count_started_children(harness: WorkerHarness) -> int:
    """Return how many children of the worker have finished their start. The filter is the last thing that they load."""
    assert harness.worker is not None
    children = Path(f"/proc/{harness.worker.pid}/task/{harness.worker.pid}/children").read_text().split()
    status = [Path(f"/proc/{child}/status") for child in children]
    return sum("Seccomp:\t2" in each.read_text() for each in status if each.exists())


def test_a_mail_whose_headers_cannot_be_read_becomes_an_item_too(harness: WorkerHarness) -> None:
    raw = make_mail(1, headers="X-Poison: crash\r\nX-Poison: crash-headers\r\n")
    harness.dovecot.seed([raw, make_mail(2)])
    harness.start_worker(*READERS)
    harness.until_read([item_id("desk", raw), item_id("desk", make_mail(2))])
    machine = harness.items()[item_id("desk", raw)]
    assert machine["subject"] == "Letter 1"
    assert "needs_review" in machine["flags"]


def test_a_quarantined_mail_that_can_be_read_after_a_restart_renews_its_item(harness: WorkerHarness) -> None:
    raw = _poison(1, "crash")
    harness.dovecot.seed([raw])
    harness.start_worker(*READERS)
    harness.until_read([item_id("desk", raw)])
    with harness.redis() as client:  # as `retry` does
        client.xadd(keys.INTAKE, {"id": item_id("desk", raw), "mailbox": "desk", "raw": ""})
    harness.kill_worker()
    harness.start_worker()
    harness.until(lambda: "needs_review" not in harness.items()[item_id("desk", raw)]["flags"], "the item is renewed")
    assert [kind for kind, _, _ in harness.events()] == ["new_workitem", "workitem_updated"]

"""Mail that spins, asks for 2 GB or crashes its reader ends as an item for review, and others hardly wait for it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.post_office import PostOffice, letter
from worker.main import SPARES
from workitems import keys
from workitems.identity import item_id

READERS = ("tests.faults.readers:prepare", "tests.faults.readers:prepare_headers")

#: What the reason for a person says of each poison.
REASONS = {"spin": "took longer than 1 s", "memory": "more memory", "crash": "SIGABRT"}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[PostOffice]:
    office = PostOffice(tmp_path, settings="[worker]\nread_seconds = 1").open()
    yield office
    office.close()


def _poison(n: int, kind: str) -> bytes:
    return letter(n, headers=f"X-Poison: {kind}\r\n")


def _when_published(office: PostOffice) -> dict[str, int]:
    return {item: at for kind, item, at in office.events() if kind == "new_workitem"}


def test_poison_ends_as_an_item_for_review_and_others_wait_less_than_a_second(office: PostOffice) -> None:
    office.start_worker(*READERS)
    office.dovecot.seed([letter(0)])
    office.until_read([item_id("desk", letter(0))])
    waits = []
    for first in (10, 110, 210):  # what a busy machine adds to a wait is not the poison's
        waits.append(_wait_beside_poison(office, first))
        if waits[-1] < 1000:
            return
    raise AssertionError(f"ordinary mail waited {waits} ms")


def _wait_beside_poison(office: PostOffice, first: int) -> int:
    """The longest wait, in milliseconds, of thirty ordinary mails that come together with one poison of each kind."""
    office.until(lambda: _warm_children(office) >= 2 + SPARES, "all reading children are ready")
    before = set(office.items())
    poison = {kind: _poison(n, kind) for n, kind in enumerate(REASONS, first)}
    ordinary = [letter(n) for n in range(first + 10, first + 40)]
    waited = _put_times(office, lambda: office.dovecot.seed([*poison.values(), *ordinary]), len(ordinary) + 3)

    wanted = {kind: item_id("desk", raw) for kind, raw in poison.items()}
    office.until_read({*before, *wanted.values(), *(item_id("desk", raw) for raw in ordinary)})
    items, published = office.items(), _when_published(office)
    for kind, item in wanted.items():
        assert "needs_review" in items[item]["flags"]
        assert REASONS[kind] in items[item]["reason"]
        assert items[item]["subject"].startswith("Letter"), "the headers were read"
    assert not any("needs_review" in items[item_id("desk", raw)]["flags"] for raw in ordinary)
    return max(published[item_id("desk", raw)] - waited[item_id("desk", raw)] for raw in ordinary)


def _warm_children(office: PostOffice) -> int:
    """Children of the worker that have finished their start: the filter is the last thing that they load."""
    assert office.worker is not None
    children = Path(f"/proc/{office.worker.pid}/task/{office.worker.pid}/children").read_text().split()
    status = [Path(f"/proc/{child}/status") for child in children]
    return sum("Seccomp:\t2" in each.read_text() for each in status if each.exists())


def _put_times(office: PostOffice, act: Callable[[], object], count: int) -> dict[str, int]:
    """Item id → milliseconds at which its mail began to wait, for *count* mails that *act* brings."""
    with office.redis() as client, client.monitor() as monitor:
        act()
        times: dict[str, int] = {}
        for command in monitor.listen():
            words = command["command"].split()
            if words[0].upper() == "XADD" and words[1] == keys.INTAKE:
                times[words[words.index("id") + 1]] = int(command["time"] * 1000)
            if len(times) == count:
                return times
    raise AssertionError("the monitor ended")


def test_a_mail_whose_headers_cannot_be_read_either_is_still_an_item(office: PostOffice) -> None:
    raw = letter(1, headers="X-Poison: crash\r\nX-Poison: crash-headers\r\n")
    office.dovecot.seed([raw, letter(2)])
    office.start_worker(*READERS)
    office.until_read([item_id("desk", raw), item_id("desk", letter(2))])
    machine = office.items()[item_id("desk", raw)]
    assert machine["subject"] == "Letter 1"
    assert "needs_review" in machine["flags"]


def test_tries_are_counted_over_restarts_and_a_good_reading_renews_the_item(office: PostOffice) -> None:
    raw = _poison(1, "crash")
    office.dovecot.seed([raw])
    office.start_worker(*READERS)
    office.until_read([item_id("desk", raw)])
    with office.redis() as client:  # as `retry` will do
        client.xadd(keys.INTAKE, {"id": item_id("desk", raw), "mailbox": "desk", "raw": ""})
    office.kill_worker()
    office.start_worker()
    office.until(lambda: "needs_review" not in office.items()[item_id("desk", raw)]["flags"], "the item is renewed")
    assert [kind for kind, _, _ in office.events()] == ["new_workitem", "workitem_updated"]

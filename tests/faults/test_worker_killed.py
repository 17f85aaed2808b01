"""The worker is killed as a power cut would, at every place that matters, and started anew: each mail is one item."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.post_office import PROJECT, PostOffice, letter
from workitems.identity import item_id

MESSAGES = sorted((PROJECT / "tests" / "messages").glob("*.eml"))


@pytest.fixture
def make_office(tmp_path: Path) -> Iterator[Callable[..., PostOffice]]:
    made: list[PostOffice] = []

    def make(**arguments: str) -> PostOffice:
        made.append(PostOffice(tmp_path, **arguments))
        return made[-1].open()

    yield make
    for office in made:
        office.close()


@pytest.mark.parametrize("place", ["stored", "put", "reading", "read", "acknowledge", "published"])
def test_a_worker_that_is_killed_anywhere_loses_nothing_and_doubles_nothing(
    place: str, make_office: Callable[..., PostOffice]
) -> None:
    office = make_office()
    mails = [path.read_bytes() for path in MESSAGES] or [letter(n) for n in range(60)]
    office.dovecot.seed(mails)
    wanted = {item_id("desk", raw) for raw in mails}

    office.start_worker(failpoint=f"{place}:7")
    assert office.worker is not None
    assert office.worker.wait(45) == -9, "the failpoint was reached"
    office.start_worker()
    office.until_read(wanted)

    assert Counter(item for kind, item, _ in office.events() if kind == "new_workitem") == dict.fromkeys(wanted, 1)


def test_a_worker_that_is_killed_again_and_again_gets_through(make_office: Callable[..., PostOffice]) -> None:
    office = make_office()
    wanted = set()
    for n, place in enumerate(("stored", "published", "acknowledge")):
        mails = [letter(60 * n + m) for m in range(60)]
        office.dovecot.seed(mails)
        wanted |= {item_id("desk", raw) for raw in mails}
        office.start_worker(failpoint=f"{place}:9")
        assert office.worker is not None
        assert office.worker.wait(45) == -9
    office.start_worker()
    office.until_read(wanted)
    assert Counter(item for kind, item, _ in office.events() if kind == "new_workitem") == dict.fromkeys(wanted, 1)


def test_mail_that_was_stored_and_not_put_is_found_by_the_repair_when_the_mailbox_has_lost_it(
    make_office: Callable[..., PostOffice],
) -> None:
    office = make_office()
    raw = letter(1)
    office.dovecot.seed([raw])
    office.start_worker(failpoint="stored")
    assert office.worker is not None
    assert office.worker.wait(45) == -9
    for path in office.dovecot.maildir().glob("*/*.tests*"):
        path.unlink()
    office.redis_server.kill()  # another run: nothing can be under way
    office.redis_server.start()
    office.start_worker()
    office.until_read([item_id("desk", raw)])

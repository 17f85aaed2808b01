"""Redis is killed under a working worker, or comes back with less than it had: each mail is one item all the same."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.post_office import PostOffice, letter
from workitems import keys
from workitems.identity import item_id


@pytest.fixture
def office(tmp_path: Path) -> Iterator[PostOffice]:
    office = PostOffice(tmp_path).open()
    yield office
    office.close()


def _ids(mails: list[bytes]) -> set[str]:
    return {item_id("desk", raw) for raw in mails}


def _new(office: PostOffice) -> Counter[str]:
    return Counter(item for kind, item, _ in office.events() if kind == "new_workitem")


def test_redis_is_killed_while_mail_flows_and_all_of_it_arrives_once(office: PostOffice) -> None:
    mails = [letter(n) for n in range(150)]
    office.start_worker()
    office.dovecot.seed(mails[:100])
    for count in (20, 60):
        office.until(lambda count=count: len(office.items()) >= count, "mail flows")  # type: ignore[misc]
        office.redis_server.kill()
        office.redis_server.start()
    office.dovecot.seed(mails[100:])
    office.until_read(_ids(mails))
    assert _new(office) == dict.fromkeys(_ids(mails), 1)


def test_a_worker_waits_for_a_redis_that_is_not_there_yet_and_stops_while_it_waits(office: PostOffice) -> None:
    office.redis_server.kill()
    office.dovecot.seed([letter(1)])
    office.start_worker()
    office.until(lambda: "waiting for Redis" in office.log.read_text(), "it says that it waits")
    assert office.worker is not None
    office.worker.terminate()
    assert office.worker.wait(10) == 0

    office.start_worker()
    office.redis_server.start()
    office.until_read(_ids([letter(1)]))


def test_mail_whose_item_was_lost_with_the_end_of_redis_s_file_is_read_again(office: PostOffice) -> None:
    mails = [letter(n) for n in range(40)]
    office.dovecot.seed(mails)
    office.start_worker()
    office.until_read(_ids(mails))
    before = office.events()

    office.redis_server.kill()
    file = office.redis_server.append_only_files[-1]
    os.truncate(file, file.stat().st_size * 2 // 3)
    office.redis_server.start()
    kept = {item for _, item, _ in office.events()}
    assert 0 < len(kept) < len(mails), "the cut took some of them"
    office.dovecot.seed([letter(99)])

    office.until_read(_ids([*mails, letter(99)]))
    assert _new(office) == dict.fromkeys(_ids([*mails, letter(99)]), 1)
    assert set(_new(office)) - kept == _ids([*mails, letter(99)]) - kept
    assert len(before) == len(mails)


def test_mail_is_not_lost_when_redis_forgets_everything(office: PostOffice) -> None:
    mails = [letter(n) for n in range(10)]
    office.dovecot.seed(mails)
    office.start_worker()
    office.until_read(_ids(mails))
    office.redis_server.kill()
    for file in office.redis_server.folder.glob("appendonlydir/*"):
        file.unlink()
    office.redis_server.start()
    office.until_read(_ids(mails))
    assert _new(office) == dict.fromkeys(_ids(mails), 1)


def test_the_checkpoint_follows_the_mail_that_was_put(office: PostOffice) -> None:
    office.dovecot.seed([letter(n) for n in range(5)])
    office.start_worker()
    office.until_read(_ids([letter(n) for n in range(5)]))
    office.until(lambda: office.checkpoint() == 5, "the checkpoint is at the last mail")
    with office.redis() as client:
        record = client.hgetall(keys.mailbox("desk"))
    assert record[b"state"] == b"watching"
    assert record[b"error"] == b""

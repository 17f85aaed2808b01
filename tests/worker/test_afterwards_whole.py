"""What is done afterwards, by a whole worker: at the moment that was set, once, and whatever kills it."""

import imaplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.post_office import PostOffice, letter
from workitems.identity import item_id
from workitems.redis import connect
from workitems.store import Change, Store


@pytest.fixture
def office(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PostOffice]:
    office = PostOffice(tmp_path, settings=request.param).open()
    yield office
    office.close()


def mails(office: PostOffice, folder: str) -> dict[str, set[str]]:
    """Subject → flags; nothing when there is no such folder, or no mail in it."""
    with imaplib.IMAP4(office.dovecot.host, office.dovecot.port) as client:
        client.login(office.dovecot.user, office.dovecot.password)
        status, count = client.select(f'"{folder}"', readonly=True)
        if status != "OK" or count == [b"0"]:
            return {}
        found = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    parts = [(part[0].decode(), part[1].decode().strip()) for part in found if isinstance(part, tuple)]
    return {
        subject.removeprefix("Subject: "): set(head.partition("FLAGS (")[2].partition(")")[0].split()) - {"\\Recent"}
        for head, subject in parts
    }


@pytest.mark.parametrize("office", ['after = "move:Processed"'], indirect=True)
def test_mail_is_moved_once_its_item_is_there_and_a_cut_in_between_doubles_nothing(office: PostOffice) -> None:
    letters = [letter(n) for n in range(1, 31)]
    office.dovecot.seed(letters)
    office.start_worker(failpoint="afterwards")
    assert office.worker is not None
    assert office.worker.wait(60) == -9
    assert len(mails(office, "Processed")) > 0, "the server had done it"
    office.start_worker()
    office.until(lambda: not mails(office, "INBOX") and not office.waiting(), "all is moved")
    assert sorted(mails(office, "Processed")) == sorted(f"Letter {n}" for n in range(1, 31))
    office.until_read({item_id("desk", raw) for raw in letters})
    kinds = [(kind, item) for kind, item, _ in office.events()]
    assert len(kinds) == len(set(kinds)) == 30, "no item is renewed, none comes twice"
    with office.redis() as client:
        office.until(lambda: client.exists("{tubepost}:after:desk") == 0, "nothing is left to be done")


@pytest.mark.parametrize("office", ['after = "keyword:Tubepost"\nwhen = "done"'], indirect=True)
async def test_mail_is_marked_when_its_item_is_done_and_no_other_is(office: PostOffice) -> None:
    letters = [letter(n) for n in (1, 2, 3)]
    office.dovecot.seed(letters)
    office.start_worker()
    office.until_read({item_id("desk", raw) for raw in letters})
    assert mails(office, "INBOX") == {"Letter 1": set(), "Letter 2": set(), "Letter 3": set()}

    redis = connect(office.redis_server.url)
    store = Store(redis, history=1000, settled={"desk"})
    await store.change(item_id("desk", letters[0]), Change(status="done"), who="ann")
    await store.change(item_id("desk", letters[1]), Change(assignee="ann"), who="ann")
    await store.change(item_id("desk", letters[2]), Change(status="dismissed"), who="ann")
    await redis.aclose()
    done = {"Letter 1": {"Tubepost"}, "Letter 2": set(), "Letter 3": {"Tubepost"}}
    office.until(lambda: mails(office, "INBOX") == done, "those that are closed are marked")
    assert [kind for kind, _, _ in office.events()].count("workitem_updated") == 3, "marking changes no item"

"""After-actions by a whole worker: when they are due, once, and also after a kill."""

import imaplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.worker_harness import WorkerHarness, make_mail
from workitems.base.redis import connect
from workitems.intake.identity import item_id
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore


@pytest.fixture
def harness(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[WorkerHarness]:
    harness = WorkerHarness(tmp_path, settings=request.param).open()
    yield harness
    harness.close()


def mails(harness: WorkerHarness, folder: str) -> dict[str, set[str]]:
    """Return subject → flags, or {} when the folder does not exist or is empty."""
    with imaplib.IMAP4(harness.dovecot.host, harness.dovecot.port) as client:
        client.login(harness.dovecot.user, harness.dovecot.password)
        status, count = client.select(f'"{folder}"', readonly=True)
        if status != "OK" or count == [b"0"]:
            return {}
        found = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    parts = [(part[0].decode(), part[1].decode().strip()) for part in found if isinstance(part, tuple)]
    return {
        subject.removeprefix("Subject: "): set(head.partition("FLAGS (")[2].partition(")")[0].split()) - {"\\Recent"}
        for head, subject in parts
    }


@pytest.mark.parametrize("harness", ['after_action = "move:Processed"'], indirect=True)
def test_mail_is_moved_once_its_item_is_there_and_a_cut_in_between_doubles_nothing(harness: WorkerHarness) -> None:
    letters = [make_mail(n) for n in range(1, 31)]
    harness.dovecot.seed(letters)
    harness.start_worker(failpoint="afterwards")
    assert harness.worker is not None
    assert harness.worker.wait(60) == -9
    assert len(mails(harness, "Processed")) > 0, "the server had done it"
    harness.start_worker()
    harness.until(lambda: not mails(harness, "INBOX") and not harness.waiting(), "all is moved")
    assert sorted(mails(harness, "Processed")) == sorted(f"Letter {n}" for n in range(1, 31))
    harness.until_read({item_id("desk", raw) for raw in letters})
    kinds = [(kind, item) for kind, item, _ in harness.events()]
    assert len(kinds) == len(set(kinds)) == 30, "no item is renewed, none comes twice"
    with harness.redis() as client:
        harness.until(lambda: client.exists("{tubepost}:after:desk") == 0, "nothing is left to be done")


@pytest.mark.parametrize("harness", ['after_action = "keyword:Tubepost"\nafter_action_on = "done"'], indirect=True)
async def test_mail_is_marked_when_its_item_is_done_and_no_other_is(harness: WorkerHarness) -> None:
    letters = [make_mail(n) for n in (1, 2, 3)]
    harness.dovecot.seed(letters)
    harness.start_worker()
    harness.until_read({item_id("desk", raw) for raw in letters})
    assert mails(harness, "INBOX") == {"Letter 1": set(), "Letter 2": set(), "Letter 3": set()}

    redis = connect(harness.redis_server.url)
    store = ItemStore(redis, max_events=1000, act_on_close={"desk"})
    await store.change(item_id("desk", letters[0]), ItemChange(status="done"), who="ann")
    await store.change(item_id("desk", letters[1]), ItemChange(assignee="ann"), who="ann")
    await store.change(item_id("desk", letters[2]), ItemChange(status="dismissed"), who="ann")
    await redis.aclose()
    done = {"Letter 1": {"Tubepost"}, "Letter 2": set(), "Letter 3": {"Tubepost"}}
    harness.until(lambda: mails(harness, "INBOX") == done, "those that are closed are marked")
    assert [kind for kind, _, _ in harness.events()].count("workitem_updated") == 3, "marking changes no item"

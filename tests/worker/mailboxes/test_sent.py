"""The team's own mail joins its submission. It opens nothing and assigns nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.worker_harness import WorkerHarness, make_mail
from workitems.base.redis import connect
from workitems.intake.identity import item_id
from workitems.queue.change import ItemChange
from workitems.queue.store import ItemStore

ANSWER = (
    b"Message-ID: <answer@desk.example>\r\nIn-Reply-To: <1@sender.example>\r\nReferences: <1@sender.example>\r\n"
    b"Date: Mon, 2 Mar 2026 11:00:00 +0000\r\nFrom: Desk <desk@example.com>\r\nTo: ann@sender.example\r\n"
    b"Cc: desk@example.com\r\nSubject: Re: Letter 1\r\n\r\nWe look into it.\r\n"
)

#: The same mail as the recipients in copy get it.
COPY = b"Return-Path: <desk@example.com>\r\nReceived: by mx.example.com; Mon, 2 Mar 2026 11:00:02 +0000\r\n" + ANSWER


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WorkerHarness]:
    harness = WorkerHarness(tmp_path, settings='sent_folder = "Sent"\n').open()
    harness.dovecot.maildir(folder="Sent")
    yield harness
    harness.close()


async def test_an_answer_that_the_team_sent_joins_its_submission_and_neither_opens_nor_assigns_anything(
    harness: WorkerHarness,
) -> None:
    first, answer, thanks = (
        item_id("desk", raw)
        for raw in (
            make_mail(1),
            ANSWER,
            make_mail(2, headers="References: <1@sender.example> <answer@desk.example>\r\n"),
        )
    )
    harness.dovecot.seed([make_mail(1)])
    harness.start_worker()
    await asyncio.to_thread(harness.until_read, [first])
    redis = connect(harness.redis_server.url)
    try:
        store = ItemStore(redis, max_events=1000)
        await store.change(first, ItemChange(status="done", assignee="ana"), who="ana")

        harness.dovecot.seed([ANSWER], folder="Sent")
        await asyncio.to_thread(harness.until_read, [first, answer])
        asked, sent = await store.get(first), await store.get(answer)
        assert sent.submission_id == asked.submission_id
        assert (asked.status, asked.assignee, asked.version) == ("done", "ana", 2)
        assert (sent.status, sent.machine["kind"]) == ("done", "own")

        harness.dovecot.seed([COPY])
        with harness.redis() as client:
            key = f"{{tubepost}}:item:{answer}"
            await asyncio.to_thread(harness.until, lambda: b"," in client.hget(key, "raws"), "the copy is read")
        assert harness.items().keys() == {first, answer}
        sent = await store.get(answer)
        assert (sent.status, sent.machine["kind"], sent.machine["flags"]) == ("done", "own", [])

        harness.dovecot.seed([make_mail(2, headers="References: <1@sender.example> <answer@desk.example>\r\n")])
        await asyncio.to_thread(harness.until_read, [first, answer, thanks])
        reply = await store.get(thanks)
        assert (reply.submission_id, reply.status, reply.assignee) == (asked.submission_id, "new", "ana")
    finally:
        await redis.aclose()


def test_what_was_sent_before_the_start_is_not_read(tmp_path: Path) -> None:
    harness = WorkerHarness(tmp_path, start="now", settings='sent_folder = "Sent"\n')
    try:
        harness.dovecot.seed([ANSWER], folder="Sent")
        harness.open()
        harness.start_worker()
        with harness.redis() as client:
            key = "{tubepost}:mailbox:desk:Sent"
            harness.until(lambda: client.hget(key, "state") == b"watching", "it is watched")
        harness.dovecot.seed([make_mail(3)], folder="Sent")
        harness.until_read([item_id("desk", make_mail(3))])
        assert next(iter(harness.items().values()))["kind"] == "own"
    finally:
        harness.close()

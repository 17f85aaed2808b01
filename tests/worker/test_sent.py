"""What the team sends from its own mail program joins its submission; it opens nothing and gives work to nobody."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.post_office import PostOffice, letter
from workitems.identity import item_id
from workitems.redis import connect
from workitems.store import Change, Store

ANSWER = (
    b"Message-ID: <answer@desk.example>\r\nIn-Reply-To: <1@sender.example>\r\nReferences: <1@sender.example>\r\n"
    b"Date: Mon, 2 Mar 2026 11:00:00 +0000\r\nFrom: Desk <desk@example.com>\r\nTo: ann@sender.example\r\n"
    b"Cc: desk@example.com\r\nSubject: Re: Letter 1\r\n\r\nWe look into it.\r\n"
)

#: The same mail as it comes back to those in copy.
COPY = b"Return-Path: <desk@example.com>\r\nReceived: by mx.example.com; Mon, 2 Mar 2026 11:00:02 +0000\r\n" + ANSWER


@pytest.fixture
def office(tmp_path: Path) -> Iterator[PostOffice]:
    office = PostOffice(tmp_path, settings='sent = "Sent"\n').open()
    office.dovecot.maildir(folder="Sent")
    yield office
    office.close()


async def test_an_answer_that_the_team_sent_joins_its_submission_and_neither_opens_nor_assigns_anything(
    office: PostOffice,
) -> None:
    first, answer, thanks = (
        item_id("desk", raw)
        for raw in (letter(1), ANSWER, letter(2, headers="References: <1@sender.example> <answer@desk.example>\r\n"))
    )
    office.dovecot.seed([letter(1)])
    office.start_worker()
    await asyncio.to_thread(office.until_read, [first])
    redis = connect(office.redis_server.url)
    try:
        store = Store(redis, history=1000)
        await store.change(first, Change(status="done", assignee="ana"), who="ana")

        office.dovecot.seed([ANSWER], folder="Sent")
        await asyncio.to_thread(office.until_read, [first, answer])
        asked, sent = await store.get(first), await store.get(answer)
        assert sent.submission_id == asked.submission_id
        assert (asked.status, asked.assignee, asked.version) == ("done", "ana", 2)
        assert (sent.status, sent.machine["kind"]) == ("done", "own")

        office.dovecot.seed([COPY])
        with office.redis() as client:
            key = f"{{tubepost}}:item:{answer}"
            await asyncio.to_thread(office.until, lambda: b"," in client.hget(key, "raws"), "the copy is read")
        assert office.items().keys() == {first, answer}
        sent = await store.get(answer)
        assert (sent.status, sent.machine["kind"], sent.machine["flags"]) == ("done", "own", [])

        office.dovecot.seed([letter(2, headers="References: <1@sender.example> <answer@desk.example>\r\n")])
        await asyncio.to_thread(office.until_read, [first, answer, thanks])
        reply = await store.get(thanks)
        assert (reply.submission_id, reply.status, reply.assignee) == (asked.submission_id, "new", "ana")
    finally:
        await redis.aclose()


def test_what_was_sent_before_the_start_is_not_read(tmp_path: Path) -> None:
    office = PostOffice(tmp_path, start="now", settings='sent = "Sent"\n')
    try:
        office.dovecot.seed([ANSWER], folder="Sent")
        office.open()
        office.start_worker()
        with office.redis() as client:
            key = "{tubepost}:mailbox:desk:Sent"
            office.until(lambda: client.hget(key, "state") == b"watching", "it is watched")
        office.dovecot.seed([letter(3)], folder="Sent")
        office.until_read([item_id("desk", letter(3))])
        assert next(iter(office.items().values()))["kind"] == "own"
    finally:
        office.close()

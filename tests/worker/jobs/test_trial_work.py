"""A trial that was asked for reads stored mail in a child with the rules of the request, and changes nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker.commands.test_reread import Desk
from worker.jobs.rules_trial import MAX_FIELDS, Trial
from worker.jobs.trial_work import WIDTH, TrialWork, short_text, trial_to_json
from worker.main import rules
from worker.sandbox.failure import SandboxUnavailableError
from workitems.base import keys
from workitems.base.errors import InvalidChangeError
from workitems.base.redis import RedisClient
from workitems.jobs.job import DONE
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore

RULES = {"deal": {"labels": ["Deal"], "type": "reference"}}


@pytest.fixture
def desk(redis: RedisClient, redis_url: str, tmp_path: Path) -> Desk:
    return Desk(redis, redis_url, tmp_path)


@pytest.fixture
def mails(desk: Desk) -> Iterator[MailStore]:
    store = MailStore(desk.settings.mail_folder)
    yield store
    store.close()


def work(desk: Desk, mails: MailStore, **how: Any) -> TrialWork:
    return TrialWork(mails, ItemStore(desk.redis, max_events=1000), desk.settings, rules, **how)


async def test_the_rules_of_the_request_are_tried_on_the_newest_mails(desk: Desk, mails: MailStore) -> None:
    await desk.item(1, body="Deal: XY-1")
    two = await desk.item(2, body="Deal: XY-2")
    await desk.item(3, "orders", body="Deal: XY-3")
    before = await desk.redis.hgetall(keys.item(two))
    progress: list[dict[str, Any]] = []
    request = {"rules": RULES, "mailbox": "claims", "last": 1}
    report = await work(desk, mails)(request, progress.append)
    assert progress == [{"seen": 0, "total": 1}, {"seen": 1, "total": 1}]
    assert (report.state, report.items) == (DONE, [two])
    assert report.answer is not None
    assert (report.answer["mails"], report.answer["unread"]) == (1, 0)
    assert report.answer["fields"]["deal"] == {
        "before": 0, "after": 1, "in_doubt": 0, "added": 1, "lost": 0, "changed": 0,
        "examples": [{"reference": "SUB-2026-000002", "before": None, "after": "XY-2"}],
    }  # fmt: skip
    assert await desk.redis.hgetall(keys.item(two)) == before
    assert await desk.waiting() == []


async def test_a_trial_whose_time_is_over_says_what_was_read_by_then(desk: Desk, mails: MailStore) -> None:
    await desk.item(1)
    report = await work(desk, mails, seconds=0.0)({"rules": RULES, "mailbox": None, "last": 200}, lambda _: None)
    assert (report.state, report.progress) == (DONE, {"seen": 0, "total": 1})
    assert report.answer == {"mails": 0, "unread": 0, "fields": {}}


async def test_rules_are_checked_again_whatever_redis_says(desk: Desk, mails: MailStore) -> None:
    with pytest.raises(InvalidChangeError, match="set labels, pattern or both"):
        await work(desk, mails)({"rules": {"deal": {}}, "mailbox": None, "last": 1}, lambda _: None)
    with pytest.raises(SandboxUnavailableError, match="field 'deal': pattern is not accepted by RE2"):
        await work(desk, mails)({"rules": {"deal": {"pattern": "("}}, "mailbox": None, "last": 1}, lambda _: None)


def test_an_answer_is_bounded_whatever_is_read() -> None:
    trial, many = Trial(), {f"f{n}": "x" * 10_000 for n in range(2 * MAX_FIELDS)}
    for _ in range(5):
        trial.add("SUB-1", {}, {"fields": many, "evidence": {}})
    found = trial_to_json(trial)
    assert len(found["fields"]) == MAX_FIELDS
    assert all(len(field["examples"]) == 3 for field in found["fields"].values())
    assert {len(example["after"]) for field in found["fields"].values() for example in field["examples"]} == {WIDTH}


def test_values_are_short_texts() -> None:
    assert [short_text(value, 12) for value in (None, "AB-1", {"amount": "1.00"}, "a long text of words")] == [
        None, "AB-1", '{"amount":"…', "a long text…",
    ]  # fmt: skip

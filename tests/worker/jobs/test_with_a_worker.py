"""A real worker: it counts the hit rate of fields, and does the jobs that administrators ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.worker_harness import WorkerHarness, make_mail
from workitems.base import keys
from workitems.base.redis import connect
from workitems.intake.identity import item_id
from workitems.jobs.job import DONE, REREAD, TRIAL, Job, JobKind, Jobs

SETTINGS = """
[fields.policy_number]
labels = ["Policy Number"]
type = "reference"
[fields.deal]
labels = ["Deal"]
"""


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WorkerHarness]:
    harness = WorkerHarness(tmp_path, settings=SETTINGS).open()
    yield harness
    harness.close()


async def _ask(harness: WorkerHarness, kind: JobKind, request: dict[str, object]) -> None:
    redis = connect(harness.redis_server.url)
    await Jobs(redis).ask(kind, request, who="ada")
    await redis.aclose()


async def _get(harness: WorkerHarness, kind: JobKind) -> Job:
    redis = connect(harness.redis_server.url)
    job = await Jobs(redis).get(kind)
    await redis.aclose()
    assert job is not None
    return job


def _until_ended(harness: WorkerHarness, kind: JobKind) -> None:
    def is_ended() -> bool:
        with harness.redis() as client:
            return client.hget(keys.job(kind.name), "state") not in (b"waiting", b"running")

    harness.until(is_ended, "the job ends")


async def test_a_worker_counts_fields_tries_rules_and_reads_mail_again(harness: WorkerHarness) -> None:
    plain, other = make_mail(1), make_mail(2, text="Deal: XY-9")
    harness.dovecot.seed([plain, other, make_mail(3, headers="Auto-Submitted: auto-replied\r\n")])
    harness.start_worker()
    harness.until(lambda: len(harness.items()) == 3 and not harness.waiting(), "all mail is read")
    with harness.redis() as client:
        counts = [client.hgetall(key) for key in client.keys(keys.field_counts("desk", "*"))]
    found = {name.decode(): sum(int(each.get(name, 0)) for each in counts) for each in counts for name in each}
    assert found == {"policy_number:found": 1, "policy_number:absent": 1, "deal:found": 1, "deal:absent": 1}

    rules = {"letter": {"pattern": r"Letter (\d+)", "type": "number"}}
    await _ask(harness, TRIAL, {"rules": rules, "mailbox": "desk", "last": 200})
    _until_ended(harness, TRIAL)
    trial = await _get(harness, TRIAL)
    assert (trial.state, trial.progress) == (DONE, {"seen": 3, "total": 3}), trial.reason
    assert trial.answer is not None
    fields = trial.answer["fields"]
    assert (fields["letter"]["before"], fields["letter"]["after"], fields["deal"]["lost"]) == (0, 3, 1)
    assert harness.items()[item_id("desk", other)]["extracted_fields"]["deal"] == "XY-9"

    with harness.redis() as client:  # as if a former version had read it worse
        client.hset(keys.item(item_id("desk", plain)), "machine", "{}")
    await _ask(harness, REREAD, {"since": None, "mailbox": "desk"})
    _until_ended(harness, REREAD)
    reread = await _get(harness, REREAD)
    assert (reread.state, reread.progress) == (DONE, {"total": 3, "seen": 3, "put": 3, "not_kept": 0}), reread.reason
    harness.until(lambda: harness.items()[item_id("desk", plain)] != {}, "it is read again")

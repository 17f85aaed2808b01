"""One job of each kind at a time, done by the worker that holds the lease."""

import pytest

from tests.workitems.samples import IDS, machine
from workitems.base import keys
from workitems.base.errors import ConflictError, NotFoundError
from workitems.base.redis import RedisClient
from workitems.jobs.job import DONE, FAILED, REREAD, RUNNING, STOPPED, TRIAL, WAITING, Job, JobKind, JobReport, Jobs
from workitems.mailboxes.lease import Lease
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore
from workitems.retention.removal import Removal

REQUEST = {"mailbox": "claims", "last": 20}


@pytest.fixture
def jobs(redis: RedisClient) -> Jobs:
    return Jobs(redis)


async def begun(jobs: Jobs, kind: JobKind = TRIAL, worker: str = "one") -> tuple[Lease, Job]:
    """Ask for a job, and begin it."""
    await jobs.ask(kind, REQUEST, who="ada")
    lease = jobs.lease(kind, worker)
    assert await lease.acquire() == 0.0
    job = await jobs.start(kind, lease)
    assert job is not None
    return lease, job


async def state(jobs: Jobs, kind: JobKind = TRIAL) -> str:
    job = await jobs.get(kind)
    assert job is not None
    return job.state


async def test_a_job_waits_until_a_worker_begins_it_and_then_has_its_answer(jobs: Jobs) -> None:
    asked = await jobs.ask(TRIAL, REQUEST, who="ada")
    assert (asked.state, asked.request, asked.who, asked.progress) == (WAITING, REQUEST, "ada", {})
    assert await jobs.is_unfinished(TRIAL)
    lease = jobs.lease(TRIAL, "one")
    await lease.acquire()
    job = await jobs.start(TRIAL, lease)
    assert job is not None
    assert (job.id, job.state, job.tries) == (asked.id, RUNNING, 1)
    assert await jobs.report(TRIAL, lease, job, JobReport(RUNNING, {"seen": 3}))
    assert await jobs.report(TRIAL, lease, job, JobReport(DONE, {"seen": 20}, answer={"mails": 20}))
    done = await jobs.get(TRIAL)
    assert done is not None
    assert (done.state, done.progress, done.answer) == (DONE, {"seen": 20}, {"mails": 20})
    assert not await jobs.is_unfinished(TRIAL)


async def test_a_second_job_of_a_kind_is_refused_until_the_first_one_ended(jobs: Jobs) -> None:
    lease, job = await begun(jobs)
    with pytest.raises(ConflictError, match="not finished"):
        await jobs.ask(TRIAL, REQUEST, who="ben")
    await jobs.ask(REREAD, {}, who="ben")
    await jobs.report(TRIAL, lease, job, JobReport(DONE, {}, answer={"mails": 1}))
    again = await jobs.ask(TRIAL, REQUEST, who="ben")
    assert again.id != job.id
    assert again.answer is None


async def test_a_stopped_job_ends_at_the_next_report_of_its_worker(jobs: Jobs) -> None:
    lease, job = await begun(jobs)
    await jobs.stop(TRIAL)
    assert not await jobs.report(TRIAL, lease, job, JobReport(DONE, {}, answer={"mails": 1}))
    assert await state(jobs) == STOPPED
    with pytest.raises(NotFoundError):
        await jobs.stop(TRIAL)


async def test_a_worker_without_the_lease_begins_and_reports_nothing(jobs: Jobs, redis: RedisClient) -> None:
    lease, job = await begun(jobs)
    other = jobs.lease(TRIAL, "two")
    assert await other.acquire() > 0.0
    assert await jobs.start(TRIAL, other) is None
    await redis.delete(keys.lease("job.trial"))  # it was not renewed
    assert await other.acquire() == 0.0
    taken = await jobs.start(TRIAL, other)
    assert taken is not None
    assert (taken.id, taken.tries) == (job.id, 2)
    assert not await jobs.report(TRIAL, lease, job, JobReport(DONE, {}))
    assert await jobs.report(TRIAL, other, taken, JobReport(DONE, {}))


async def test_a_worker_does_not_report_about_the_job_that_came_after_its_own(jobs: Jobs) -> None:
    lease, job = await begun(jobs)
    await jobs.stop(TRIAL)
    await jobs.ask(TRIAL, REQUEST, who="ben")
    assert not await jobs.report(TRIAL, lease, job, JobReport(DONE, {}))
    assert await state(jobs) == WAITING


async def test_a_job_that_is_given_back_waits_again_and_the_try_does_not_count(jobs: Jobs) -> None:
    lease, job = await begun(jobs)
    assert await jobs.report(TRIAL, lease, job, JobReport(WAITING, {"seen": 2}))
    assert await state(jobs) == WAITING
    again = await jobs.start(TRIAL, lease)
    assert again is not None
    assert (again.tries, again.progress) == (1, {"seen": 2})


async def test_the_record_and_the_answer_end_by_themselves(jobs: Jobs, redis: RedisClient) -> None:
    lease, job = await begun(jobs)
    assert 0 < await redis.pttl(keys.job("trial")) <= TRIAL.life_seconds * 1000
    await jobs.report(TRIAL, lease, job, JobReport(DONE, {}, answer={"mails": 1}))
    for key in (keys.job("trial"), keys.answer("trial")):
        assert 0 < await redis.pttl(key) <= TRIAL.kept_seconds * 1000


async def test_an_answer_with_content_of_a_removed_item_is_not_kept(
    jobs: Jobs, redis: RedisClient, store: ItemStore, mailstore: MailStore
) -> None:
    removal = Removal(redis, mailstore, max_events=1000)
    for item_id in IDS[:2]:
        await store.publish(item_id, "claims", machine())
    lease, job = await begun(jobs)
    await removal.remove(IDS[0], who="ann", why="asked for")
    await jobs.report(TRIAL, lease, job, JobReport(DONE, {}, answer={"mails": 1}, items=IDS[:2]))
    failed = await jobs.get(TRIAL)
    assert failed is not None
    assert (failed.state, failed.answer) == (FAILED, None)
    assert "removed" in failed.reason

    lease, job = await begun(jobs)
    await jobs.report(TRIAL, lease, job, JobReport(DONE, {}, answer={"mails": 1}, items=IDS[1:2]))
    assert await redis.exists(keys.answer("trial"))
    await removal.remove(IDS[1], who="ann", why="asked for")
    assert not await redis.exists(keys.answer("trial"))

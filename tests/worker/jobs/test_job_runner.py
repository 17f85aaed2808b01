"""A worker does the jobs of a kind one after another, and leaves what it does not finish to the next one."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.polled_mailbox import until
from worker.jobs.job_runner import MAX_TRIES, JobRunner, Work
from workitems.base import keys
from workitems.base.errors import MailStoreUnavailableError, TubepostError
from workitems.base.redis import RedisClient
from workitems.base.tasks import cancel_and_wait
from workitems.jobs.job import DONE, FAILED, REREAD, RUNNING, WAITING, Job, JobReport, Jobs

Report = Callable[[dict[str, Any]], object]


@pytest.fixture
def jobs(redis: RedisClient) -> Jobs:
    return Jobs(redis)


def runner(jobs: Jobs, work: Work, worker: str = "one") -> JobRunner:
    return JobRunner(jobs, REREAD, work, worker=worker, report_seconds=0.01)


async def last(jobs: Jobs) -> Job:
    job = await jobs.get(REREAD)
    assert job is not None
    return job


async def echo(request: dict[str, Any], _: Report) -> JobReport:
    return JobReport(DONE, {"seen": 1}, answer=request)


async def endless(_: dict[str, Any], report: Report) -> JobReport:
    report({"seen": 7})
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_runner_does_what_is_asked_for_once(jobs: Jobs, redis: RedisClient) -> None:
    assert not await runner(jobs, echo).run_once()
    await jobs.ask(REREAD, {"mailbox": "claims"}, who="ada")
    assert await runner(jobs, echo).run_once()
    assert not await runner(jobs, echo).run_once()
    job = await last(jobs)
    assert (job.state, job.answer, job.progress) == (DONE, {"mailbox": "claims"}, {"seen": 1})
    assert not await redis.exists(keys.lease("job.reread"))


async def test_the_progress_is_seen_while_the_work_runs_and_no_other_worker_begins_it(jobs: Jobs) -> None:
    await jobs.ask(REREAD, {}, who="ada")
    running = asyncio.create_task(runner(jobs, endless).run_once())

    async def is_seen() -> bool:
        return (await last(jobs)).progress == {"seen": 7}

    await until(is_seen)
    assert (await last(jobs)).state == RUNNING
    assert not await runner(jobs, echo, "two").run_once()
    await jobs.stop(REREAD)
    assert await running


async def test_a_worker_that_stops_gives_its_job_back_and_the_next_one_takes_it_at_once(jobs: Jobs) -> None:
    await jobs.ask(REREAD, {}, who="ada")
    running = asyncio.create_task(runner(jobs, endless).run_once())

    async def is_begun() -> bool:
        return (await last(jobs)).progress == {"seen": 7}

    await until(is_begun)
    await cancel_and_wait(running)
    assert running.cancelled()
    job = await last(jobs)
    assert (job.state, job.tries) == (WAITING, 0)
    assert await runner(jobs, echo, "two").run_once()
    assert (await last(jobs)).state == DONE


async def test_work_that_cannot_be_done_says_why(jobs: Jobs) -> None:
    async def fail(_: dict[str, Any], report: Report) -> JobReport:
        report({"seen": 2})
        raise TubepostError("no reading process could start")

    await jobs.ask(REREAD, {}, who="ada")
    assert await runner(jobs, fail).run_once()
    job = await last(jobs)
    assert (job.state, job.reason, job.progress) == (FAILED, "no reading process could start", {"seen": 2})


async def test_work_waits_while_the_mail_store_is_not_available(jobs: Jobs) -> None:
    async def fail(_: dict[str, Any], __: Report) -> JobReport:
        raise MailStoreUnavailableError("the disk is away", "the disk is away")

    await jobs.ask(REREAD, {}, who="ada")
    for _ in range(MAX_TRIES + 1):
        with pytest.raises(MailStoreUnavailableError):
            await runner(jobs, fail).run_once()
    assert (await last(jobs)).state == WAITING
    assert await runner(jobs, echo).run_once()
    assert (await last(jobs)).state == DONE


async def test_work_that_fails_in_an_unknown_way_is_not_tried_for_ever(jobs: Jobs) -> None:
    async def fail(_: dict[str, Any], __: Report) -> JobReport:
        raise ZeroDivisionError

    await jobs.ask(REREAD, {}, who="ada")
    for _ in range(MAX_TRIES):
        with pytest.raises(ZeroDivisionError):
            await runner(jobs, fail).run_once()
    assert await runner(jobs, fail).run_once()
    job = await last(jobs)
    assert job.state == FAILED
    assert "never finished" in job.reason

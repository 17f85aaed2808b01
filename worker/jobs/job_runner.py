"""Takes the jobs of one kind that administrators asked for, does them, and reports how far they are."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from workitems.base.errors import StoreError, StoreUnavailableError, TubepostError
from workitems.base.log import get_logger
from workitems.base.service_loop import run_service_loop
from workitems.base.tasks import cancel_and_wait
from workitems.jobs.job import FAILED, RUNNING, WAITING, Job, JobKind, JobReport, Jobs

log = get_logger("jobs")

#: Seconds between two looks for a job, and between two reports of its progress.
POLL_SECONDS, REPORT_SECONDS = 1.0, 1.0

#: How often a job may be begun whose worker ended, or failed in an unknown way.
MAX_TRIES = 5

Json = dict[str, Any]

#: Does a job: (request, function that gets the progress) → its end. It may be cancelled, and must be repeatable.
Work = Callable[[Json, Callable[[Json], object]], Coroutine[Any, Any, JobReport]]


class JobRunner:
    """Does the jobs of one kind for one worker. At most one worker at a time does so."""

    def __init__(
        self, jobs: Jobs, kind: JobKind, work: Work, *, worker: str, report_seconds: float = REPORT_SECONDS
    ) -> None:
        self._jobs = jobs
        self._kind = kind
        self._work = work
        self._lease = jobs.lease(kind, worker)
        self._report_seconds = report_seconds

    async def run(self) -> None:
        """Do jobs until cancelled. A job that is not finished then is given back."""
        await run_service_loop(
            self.run_once, seconds=POLL_SECONDS, waits="a job waits", failed="a job failed in an unknown way", log=log
        )

    async def run_once(self) -> bool:
        """Do the job that waits, if there is one and no other worker does it. Return whether there was one."""
        if not await self._jobs.is_unfinished(self._kind) or await self._lease.acquire():
            return False
        try:
            job = await self._jobs.start(self._kind, self._lease)
            if job is not None:
                await self._do(job)
            return job is not None
        finally:
            with suppress(StoreError):  # it ends by itself
                await self._lease.release()

    async def _do(self, job: Job) -> None:
        if job.tries > MAX_TRIES:
            await self._report(job, JobReport(FAILED, job.progress, "it was begun several times and never finished"))
            return
        log.info("a job begins", kind=self._kind.name, job=job.id, by=job.who)
        progress: Json = {}
        work = asyncio.create_task(self._work(job.request, progress.update))
        try:
            if await self._is_done(job, work, progress):
                await self._report(job, _ending(work, progress))
        except (asyncio.CancelledError, StoreUnavailableError):
            await cancel_and_wait(work)
            with suppress(StoreError):
                await self._report(job, JobReport(WAITING, progress))
            raise
        finally:
            await cancel_and_wait(work)

    async def _is_done(self, job: Job, work: "asyncio.Task[JobReport]", progress: Json) -> bool:
        """Report again and again until *work* is done; return False when the job is not ours any more."""
        while True:
            await asyncio.wait([work], timeout=self._report_seconds)
            if work.done():
                return True
            if await self._lease.acquire() or not await self._report(job, JobReport(RUNNING, progress)):
                log.info("a job was stopped", kind=self._kind.name, job=job.id)
                return False

    async def _report(self, job: Job, report: JobReport) -> bool:
        if report.state not in (RUNNING, WAITING):
            log.info("a job ends", kind=self._kind.name, job=job.id, state=report.state, reason=report.reason)
        return await self._jobs.report(self._kind, self._lease, job, report)


def _ending(work: "asyncio.Task[JobReport]", progress: Json) -> JobReport:
    """Return how the work ended. Raises StoreUnavailableError, and errors that nobody raises on purpose."""
    try:
        return work.result()
    except StoreUnavailableError:
        raise
    except TubepostError as error:
        return JobReport(FAILED, progress, str(error))

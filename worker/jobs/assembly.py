"""Makes the parts of a worker that do jobs."""

from collections.abc import Callable

from worker.jobs.job_runner import JobRunner
from worker.jobs.reread import RereadWork
from worker.jobs.trial_work import TrialWork
from worker.sandbox.frames import EncodedRules
from workitems.base.redis import RedisClient
from workitems.jobs.job import REREAD, TRIAL, Jobs
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore
from workitems.settings import Settings


def job_runners(
    redis: RedisClient,
    mailstore: MailStore,
    store: ItemStore,
    settings: Settings,
    encode_rules: Callable[[Settings], EncodedRules],
    get_rules: Callable[[], EncodedRules],
    *,
    worker: str,
) -> tuple[JobRunner, ...]:
    """Return one runner for each kind of job.

    *encode_rules* makes the rules of reading children from settings; *get_rules* returns those that are in use.
    """
    jobs = Jobs(redis)
    works = (
        (TRIAL, TrialWork(mailstore, store, settings, encode_rules)),
        (REREAD, RereadWork(redis, mailstore, get_rules)),
    )
    return tuple(JobRunner(jobs, kind, work, worker=worker) for kind, work in works)

"""Jobs: a server process asks for one, a worker does it, and everybody can look how far it is.

There is one job of each kind at a time. Its record in Redis says what was asked; the worker that has the lease of the
kind does it, and reports. A job whose worker ends is taken by another worker, so its work must be repeatable.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from workitems.base import keys
from workitems.base.errors import ConflictError, NotFoundError
from workitems.base.json_codec import encode_json_str
from workitems.base.redis import RedisClient, Script, ScriptArgument, translating_errors
from workitems.mailboxes.lease import Lease

Json = dict[str, Any]

_job = Script("feed/feed.lua", "jobs/job.lua")

#: States of a job. It is unfinished in the first two.
WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"

#: Seconds after which another worker takes a job whose worker does not renew the lease.
LEASE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job. The record is removed *life_seconds* after the last news of unfinished work, and *kept_seconds*
    after its end; so is the answer.
    """

    name: str
    life_seconds: float
    kept_seconds: float


#: Field rules that are tried on stored mail. The answer has content of mails, so it is kept for minutes only.
TRIAL = JobKind("trial", life_seconds=600, kept_seconds=600)
#: Stored mail that is read again: it may take days, also days without a worker.
REREAD = JobKind("reread", life_seconds=7 * 86_400, kept_seconds=86_400)


@dataclass(frozen=True, slots=True)
class Job:
    """The record of a job. `asked` is in seconds since 1970 by Redis's clock; `reason` says why it failed."""

    id: str
    state: str
    request: Json
    who: str
    asked: float
    tries: int
    progress: Json
    reason: str
    answer: Json | None = None

    @property
    def is_unfinished(self) -> bool:
        return self.state in (WAITING, RUNNING)


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a worker reports. *items*: the ids of the items whose content is in the *answer*."""

    state: str
    progress: Json
    reason: str = ""
    answer: Json | None = None
    items: Sequence[str] = ()


class Jobs:
    """The jobs of one Redis. Every method raises StoreUnavailableError."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis

    async def ask(self, kind: JobKind, request: Json, *, who: str) -> Job:
        """Ask for a job in the name of *who*. Raises ConflictError while another one of its kind is unfinished."""
        arguments: list[ScriptArgument] = [token_hex(8), encode_json_str(request), who, int(kind.life_seconds * 1000)]
        if await self._step(kind, "ask", *arguments) == "busy":
            raise ConflictError("another one is not finished; wait for its end, or stop it")
        job = await self.get(kind)
        if job is None:
            raise NotFoundError("the job was lost; ask again")
        return job

    async def get(self, kind: JobKind) -> Job | None:
        """Return the last job of a kind, with its answer; None if there is none, or it ended long ago."""
        with translating_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hgetall(keys.job(kind.name))
                pipe.get(keys.answer(kind.name))
                record, answer = await pipe.execute()
        return _decode(record, answer) if record else None

    async def stop(self, kind: JobKind) -> None:
        """Have the unfinished job of a kind end. Its worker learns it with its next report. Raises NotFoundError."""
        if await self._step(kind, "stop") == "missing":
            raise NotFoundError("there is no unfinished one")

    # --- for the worker that does it --------------------------------------------------------------------------------

    def lease(self, kind: JobKind, worker: str) -> Lease:
        """Return the lease that a worker must hold to do jobs of a kind."""
        return Lease(self._redis, f"job.{kind.name}", worker, ttl_seconds=LEASE_SECONDS)

    async def is_unfinished(self, kind: JobKind) -> bool:
        """Return whether there is something to do."""
        with translating_errors():
            state = await self._redis.hget(keys.job(kind.name), "state")
        return state is not None and state.decode() in (WAITING, RUNNING)

    async def start(self, kind: JobKind, lease: Lease) -> Job | None:
        """Begin one more try of the unfinished job, and return it; None when there is none or the lease is lost."""
        if await self._step(kind, "start", lease.mailbox, lease.token) == "lost":
            return None
        return await self.get(kind)

    async def report(self, kind: JobKind, lease: Lease, job: Job, report: JobReport) -> bool:
        """Write how far the job is. Return False when it was stopped, or is another worker's now: the work must end.

        With the state WAITING the job is given back, and this try does not count. An answer with the content of an
        item that was removed meanwhile is not kept: the job has failed then.
        """
        is_over = report.state not in (WAITING, RUNNING)
        life = kind.kept_seconds if is_over else kind.life_seconds
        outcome = await self._step(
            kind, "report", lease.mailbox, lease.token, job.id, report.state, encode_json_str(report.progress),
            report.reason, int(life * 1000), "" if report.answer is None else encode_json_str(report.answer),
            *report.items,
        )  # fmt: skip
        return outcome == "reported"

    async def _step(self, kind: JobKind, verb: str, *arguments: ScriptArgument) -> str:
        answer: bytes = await _job(self._redis, keys.FEED, [kind.name, verb, *arguments])
        return answer.decode()


def _decode(record: dict[bytes, bytes], answer: bytes | None) -> Job:
    text = {name.decode(): value.decode() for name, value in record.items()}
    return Job(
        id=text["id"],
        state=text["state"],
        request=json.loads(text["request"]),
        who=text["who"],
        asked=int(text["asked"]) / 1000,
        tries=int(text["tries"]),
        progress=json.loads(text["progress"]),
        reason=text["reason"],
        answer=json.loads(answer) if answer else None,
    )

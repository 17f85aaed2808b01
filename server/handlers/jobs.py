"""Jobs of administrators, which a worker does: `/api/rules/trial` tries field rules, `/api/reread` reads mail again.

`POST` asks for one, `GET` tells how far it is and what came of it, `DELETE` stops it.
"""

import asyncio
import random
from typing import Any, ClassVar

from server.handlers.base import RETRY_AFTER, BaseHandler
from server.handlers.hit_rate import known_mailboxes
from server.http import query_params
from server.http.json_body import parse_json_object
from server.status.health import iso_time
from workitems.base.errors import InvalidChangeError, NotFoundError
from workitems.base.log import get_logger
from workitems.jobs.job import DONE, REREAD, TRIAL, Job, JobKind
from workitems.settings.rules_child import check_rules_in_child

log = get_logger("server")

Json = dict[str, Any]

#: Mails that a trial reads: without another number, and at most.
LAST = 200

#: Seconds that the check of the rules may take, the wait for its turn included.
CHECK_SECONDS = 30.0


class JobHandler(BaseHandler):
    """What both kinds share."""

    scope = "admin"
    kind: ClassVar[JobKind]

    async def get(self) -> None:
        job = await self.context.jobs.get(self.kind)
        if job is None:
            raise NotFoundError("there is none; ask for one by POST")
        self.write_json(job_to_json(job))

    async def delete(self) -> None:
        await self.context.jobs.stop(self.kind)
        log.info("a job is stopped", kind=self.kind.name, by=self.identity.name)
        await self.get()

    async def ask(self, request: Json) -> None:
        """Ask for the job, and answer 202 with it; 409 while another one of its kind is unfinished."""
        job = await self.context.jobs.ask(self.kind, request, who=self.identity.name)
        log.info("a job is asked for", kind=self.kind.name, job=job.id, by=self.identity.name)
        self.write_json(job_to_json(job), 202)

    def parse_mailbox(self, value: Any) -> str | None:
        """Return the name of a mailbox that the settings name; None for all."""
        if value is None:
            return None
        name, known = query_params.parse_mailbox(value), known_mailboxes(self.context.settings)
        if name not in known:
            raise InvalidChangeError(f"no such mailbox; accepted: {', '.join(known)}", "mailbox")
        return name


class TrialHandler(JobHandler):
    """`/api/rules/trial`: reads the newest `last` mails with `rules`, and changes nothing."""

    kind = TRIAL

    async def post(self) -> None:
        asked = parse_json_object(self.request.body, frozenset({"rules", "mailbox", "last"}))
        last = asked.get("last", LAST)
        if isinstance(last, bool) or not isinstance(last, int) or not 1 <= last <= LAST:
            raise InvalidChangeError(f"a whole number from 1 to {LAST} is accepted", "last")
        mailbox = self.parse_mailbox(asked.get("mailbox"))
        if "rules" not in asked:
            raise InvalidChangeError("it is missing; an object of field rules by name is accepted", "rules")
        try:
            async with asyncio.timeout(CHECK_SECONDS), self.context.rules_turn:
                await check_rules_in_child(asked["rules"])
        except TimeoutError:
            retry_after = random.uniform(*RETRY_AFTER)  # spreads callers; nothing secret
            self.refuse(503, "busy", "the rules could not be checked in time", retry_after=retry_after)
        await self.ask({"rules": asked["rules"], "mailbox": mailbox, "last": last})


class RereadHandler(JobHandler):
    """`/api/reread`: has the items of `mailbox` that came on the day `since` or later read again."""

    kind = REREAD

    async def post(self) -> None:
        asked = parse_json_object(self.request.body, frozenset({"since", "mailbox"})) if self.request.body else {}
        since = asked.get("since")
        day = None if since is None else query_params.parse_date(since, "since").isoformat()
        await self.ask({"since": day, "mailbox": self.parse_mailbox(asked.get("mailbox"))})


def job_to_json(job: Job) -> Json:
    """Return the job without the rules that it was asked for; `result` is null until it is done."""
    request = {name: value for name, value in job.request.items() if name != "rules"}
    return {
        "id": job.id,
        "state": job.state,
        "reason": job.reason,
        "by": job.who,
        "asked": iso_time(job.asked),
        "request": request,
        "progress": job.progress,
        "result": job.answer if job.state == DONE else None,
    }

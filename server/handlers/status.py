"""The status of the process and of what it serves.

`GET /healthz` (alive) and `GET /readyz` (able to do its work) need no sign-in: supervisors and load balancers ask them.
`GET /api/mailboxes` gives the state of each mailbox and of the intake, `GET /api/stats` the counters of this process
and of all running ones.
"""

from typing import ClassVar

from server.handlers.base import BaseHandler
from server.status.readiness import MAX_AGE_SECONDS


class LivenessHandler(BaseHandler):
    """Answers 200 as long as the event loop runs."""

    scope: ClassVar[str | None] = None

    async def get(self) -> None:
        self.write_json({"status": "alive"})


class ReadinessHandler(BaseHandler):
    """Answers 503 while the process starts or drains, else 200: `ready`, or `degraded` when a part does not work."""

    scope: ClassVar[str | None] = None

    async def get(self) -> None:
        readiness = await self.context.readiness.check(max_age=MAX_AGE_SECONDS)
        self.write_json(readiness.to_json(), readiness.http_status)


class MailboxesHandler(BaseHandler):
    """Answers what the stream sends as `mailbox_status`, `import_progress` and `intake_status`."""

    async def get(self) -> None:
        self.write_json((await self.context.monitor.read_health()).to_json())


class StatsHandler(BaseHandler):
    """Answers people and dashboards; Prometheus reads `/metrics`."""

    async def get(self) -> None:
        seen = self.context.monitor.intake_health
        intake = {"intake": seen.to_json()} if seen else {}
        self.write_json(await self.context.stats.combined_report() | intake)

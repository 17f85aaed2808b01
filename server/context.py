"""The parts of a server process that the handlers use: made once in `main`, the same for every request."""

import asyncio
from dataclasses import dataclass

from server.access.authentication import Authenticator
from server.intake.sources.registry import SourceRegistry
from server.intake.uploads import Uploads
from server.status.host_metrics import HostMetrics
from server.status.monitor import Monitor
from server.status.process_stats import ProcessStats
from server.status.readiness import ReadinessCheck
from server.stream.connection_limits import StreamLimits
from server.stream.hub import Hub
from server.stream.stream_opener import StreamOpener
from workitems.base.redis import RedisClient
from workitems.intake.put import Intake
from workitems.jobs.job import Jobs
from workitems.mailstore.store import MailStore
from workitems.queue.store import ItemStore
from workitems.queue.submissions import Submissions
from workitems.retention.removal import Removal
from workitems.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one server process."""

    settings: Settings
    #: The name of this process among the server processes, such as `server_00`.
    process: str
    redis: RedisClient
    store: ItemStore
    submissions: Submissions
    intake: Intake
    mailstore: MailStore
    removal: Removal
    jobs: Jobs
    #: The turn of the one child that checks field rules.
    rules_turn: asyncio.Semaphore
    uploads: Uploads
    sources: SourceRegistry
    hub: Hub
    stream_opener: StreamOpener
    stats: ProcessStats
    monitor: Monitor
    readiness: ReadinessCheck
    metrics: HostMetrics
    #: How many descriptors this process may have.
    max_descriptors: int
    stream_limits: StreamLimits
    auth: Authenticator

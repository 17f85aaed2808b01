"""What the handlers are handed: made once in `main`, the same for every request of the process."""

from dataclasses import dataclass

from server.auth import Auth
from server.hub import Hub
from server.limits import Limits
from server.monitor import Monitor
from server.posting import Desk
from server.resume import Resume
from server.sources.known import Sources
from server.stats import Stats
from workitems.intake import Intake
from workitems.mailstore import MailStore
from workitems.redis import Client
from workitems.removal import Removal
from workitems.settings import Settings
from workitems.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """One server process's parts."""

    settings: Settings
    #: This process's name among its siblings, e.g. `server_00`.
    process: str
    redis: Client
    store: Store
    intake: Intake
    mailstore: MailStore
    removal: Removal
    desk: Desk
    sources: Sources
    hub: Hub
    resume: Resume
    stats: Stats
    monitor: Monitor
    limits: Limits
    auth: Auth

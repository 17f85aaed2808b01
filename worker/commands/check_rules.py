"""What `run.py check` finds about field rules: whether the running workers use those in their settings files."""

from workitems.base.redis import RedisClient
from workitems.settings import Settings
from workitems.settings.comparison import rules_digest
from workitems.status.finding import Finding
from workitems.status.heartbeats import live_workers
from workitems.status.rules_findings import judge_rules, list_names

_OTHER = (
    "A change of the file takes up to ten seconds until it is seen here. Otherwise these workers have another settings "
    "file, or other variables in their environment."
)


async def check_rules(redis: RedisClient, settings: Settings) -> tuple[str, tuple[Finding, ...]]:
    """Return that all workers use the rules of *settings*, or what is wrong. Raises StoreUnavailableError."""
    workers = await live_workers(redis)
    if found := judge_rules({name: worker.rules_error for name, worker in workers.items()}):
        return "", found
    digest = rules_digest(settings)
    if others := [name for name, worker in workers.items() if worker.rules_digest not in ("", digest)]:
        return "", (Finding("rules", f"other ones than in these settings are used by {list_names(others)}", _OTHER),)
    return "the running workers use those in these settings" if workers else "no worker is running", ()

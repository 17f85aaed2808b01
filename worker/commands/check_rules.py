"""What `run.py check` finds about field rules: whether the running workers use those in their settings files."""

from workitems.base.redis import RedisClient
from workitems.status.finding import Finding
from workitems.status.heartbeats import live_workers
from workitems.status.rules_findings import judge_rules


async def check_rules(redis: RedisClient) -> tuple[str, tuple[Finding, ...]]:
    """Return that no worker has an error in its rules, or what is wrong. Raises StoreUnavailableError."""
    workers = await live_workers(redis)
    if found := judge_rules({name: worker.rules_error for name, worker in workers.items()}):
        return "", found
    return "no running worker has an error in its field rules" if workers else "no worker is running", ()

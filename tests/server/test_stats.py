"""What all living processes count together."""

import json
from time import time

from server.context import Context
from workitems import keys


def report(process: str, at: float) -> str:
    return json.dumps({"process": process, "at": at, "open": 3, "opened": 5, "deliveries": 7, "memory": 11})


async def test_living_processes_are_added_up_and_dead_ones_are_not(context: Context) -> None:
    now = time()
    await context.redis.hset(keys.SERVERS, "alive", report("alive", now))
    await context.redis.hset(keys.SERVERS, "killed", report("killed", now - 60))
    told = (await context.stats.together())["all"]
    assert [process["process"] for process in told["processes"]] == sorted(["alive", context.process])
    assert told["open"] == 3
    assert told["deliveries"] == 7 + context.hub.counts["deliveries"]


async def test_a_process_that_was_killed_long_ago_is_forgotten(context: Context) -> None:
    await context.redis.hset(keys.SERVERS, "old", report("old", time() - 7200))
    await context.stats.together()
    assert not await context.redis.hexists(keys.SERVERS, "old")

"""`run.py check` on field rules: it says which running workers do not use those in their settings file."""

from pathlib import Path

from worker.commands.check import check
from workitems.base.redis import RedisClient
from workitems.settings import Settings
from workitems.settings.comparison import rules_digest
from workitems.status.heartbeats import HeartbeatWriter


async def test_a_worker_that_cannot_use_its_rules_is_an_error_until_it_can(
    redis: RedisClient, redis_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"redis": {"url": redis_url}, "data": tmp_path})
    heartbeat = HeartbeatWriter(redis, "mail-1-worker_00", 1)

    async def say() -> tuple[bool, list[str]]:
        said: list[str] = []
        fine = await check(settings, said.append)
        return fine, [line for line in said if line.startswith("rules")]

    assert await say() == (True, ["rules       ok       no worker is running"])
    await heartbeat.write((), "fields.deal: set labels, pattern or both")
    assert await say() == (
        False,
        [
            "rules       ERROR    those in the settings file are not used by mail-1-worker_00: "
            "fields.deal: set labels, pattern or both."
        ],
    )
    await heartbeat.write(())
    assert await say() == (True, ["rules       ok       the running workers use those in these settings"])
    await heartbeat.write((), "", "other rules")
    other = "rules       WARNING  other ones than in these settings are used by mail-1-worker_00."
    assert await say() == (True, [other])
    await heartbeat.write((), "", rules_digest(settings))
    assert await say() == (True, ["rules       ok       the running workers use those in these settings"])

"""`/readyz`: whether the process can do its work, with a reason for each part."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from tornado.ioloop import IOLoop

from server.context import Context
from server.status.mail_store_check import FRESH_SECONDS, HUNG_SECONDS, MailStoreCheck, PartHealth
from server.status.readiness import MAX_AGE_SECONDS, Readiness
from tests.server.handlers.conftest import Call, body, call
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE, eventually
from workitems.base import keys
from workitems.mailstore.store import MailStore
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings
from workitems.status.heartbeats import HeartbeatWriter

__all__ = ["call"]


Found = tuple[int, str, dict[str, str]]


async def ask(call: Call) -> Found:
    """Return the HTTP status, the status, and the reasons of the parts that do not work."""
    answer = await call("GET", "/readyz", token=None)
    found = body(answer)
    assert set(found["parts"]) == {"redis", "mail_store", "worker"}
    reasons = {name: part["reason"] for name, part in found["parts"].items() if not part["up"]}
    assert all(reasons.values()), "each part that does not work has a reason"
    return answer.code, found["status"], reasons


async def until(call: Call, code: int, status: str, **reasons: str) -> None:
    """Wait for this answer: on a busy machine a disk or Redis may not answer in time."""
    found: list[Found] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while not found or found[-1] != (code, status, reasons):
                found.append(await ask(call))
    except TimeoutError:
        raise AssertionError(found[-1:]) from None


async def test_a_process_is_ready_with_redis_mail_store_and_worker(call: Call, context: Context) -> None:
    await HeartbeatWriter(context.redis, "one", 1).write(())
    await until(call, 200, "ready")


async def test_without_a_worker_it_is_degraded_and_says_so_but_is_not_taken_away(call: Call, context: Context) -> None:
    await until(call, 200, "degraded", worker="no worker is running")
    await HeartbeatWriter(context.redis, "one", 1).write(())
    await until(call, 200, "ready")


async def test_without_its_mail_store_it_is_degraded(call: Call, context: Context, settings: Settings) -> None:
    await HeartbeatWriter(context.redis, "one", 1).write(())
    shutil.rmtree(settings.mail_folder)
    settings.mail_folder.mkdir()
    await until(call, 200, "degraded", mail_store="its disk is not mounted")
    assert list(settings.mail_folder.iterdir()) == [], "nothing is written to the wrong disk"


async def test_a_store_that_changed_together_with_redis_is_taken_up(
    call: Call, context: Context, settings: Settings
) -> None:
    await context.intake.reconcile()
    await HeartbeatWriter(context.redis, "one", 1).write(())
    await until(call, 200, "ready")
    (settings.mail_folder / ".tubepost" / "store").write_text("b" * 32)
    await until(call, 200, "degraded", mail_store="another mail store is mounted")
    await context.redis.set(keys.STORE, "b" * 32)
    await until(call, 200, "ready")


async def test_starting_and_draining_are_503_and_have_the_parts_too(call: Call, context: Context) -> None:
    context.hub.ready.clear()
    await until(call, 503, "starting", worker="no worker is running")
    context.hub.ready.set()
    context.hub.deadlines.is_draining = True
    await until(call, 503, "draining", worker="no worker is running")


def test_a_part_that_fails_does_not_hide_that_the_process_drains() -> None:
    assert Readiness({}, None, is_starting=True, is_draining=True).status == "draining"


async def test_a_thousand_callers_cost_redis_a_few_commands(context: Context) -> None:
    async def calls() -> int:
        stats = await context.redis.info("commandstats")
        return int(stats.get("cmdstat_hgetall", {"calls": 0})["calls"])

    before = await calls()
    begun = monotonic()
    await asyncio.gather(*(context.readiness.check(max_age=MAX_AGE_SECONDS) for _ in range(1000)))
    seconds = monotonic() - begun
    assert await calls() - before <= 3 * (1 + seconds), "those of the monitor included"


# --- Redis away -----------------------------------------------------------------------------------------------------


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    server = RedisServer().start()
    yield server
    server.stop()


class TestRedisAway:
    @pytest.fixture
    def redis_url(self, own_redis: RedisServer) -> str:
        return own_redis.url

    async def test_each_part_says_what_is_known_while_redis_is_away(
        self, call: Call, context: Context, settings: Settings, own_redis: RedisServer
    ) -> None:
        await HeartbeatWriter(context.redis, "one", 1).write(())
        shutil.rmtree(settings.mail_folder)
        await until(call, 200, "degraded", mail_store="its disk is not mounted")
        own_redis.kill()
        why, unknown = "its disk is not mounted", "unknown while Redis does not answer"
        await until(call, 200, "degraded", redis="Redis does not answer", worker=unknown, mail_store=why)

    async def test_a_process_that_never_asked_redis_for_its_mail_store_does_not_know_it(
        self, context: Context, settings: Settings, own_redis: RedisServer
    ) -> None:
        own_redis.kill()
        mailstore = MailStore(settings.mail_folder)
        DurableState(context.redis, mailstore, max_events=1000)
        check = MailStoreCheck(mailstore)
        async with asyncio.timeout(PATIENCE):
            while (found := await check.check()).reason != "Redis does not say which mail store is the right one":
                await asyncio.sleep(0.01)
        assert not found.is_up
        check.close()
        mailstore.close()

    async def test_a_mail_store_that_was_known_works_while_redis_is_away(
        self, call: Call, context: Context, own_redis: RedisServer
    ) -> None:
        await context.intake.reconcile()
        await HeartbeatWriter(context.redis, "one", 1).write(())
        await until(call, 200, "ready")
        own_redis.kill()
        unknown = "unknown while Redis does not answer"
        await until(call, 200, "degraded", redis="Redis does not answer", worker=unknown)


# --- the check of the mail store ------------------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def mailstore(tmp_path: Path, io_loop: IOLoop) -> Iterator[MailStore]:
    assert io_loop
    store = MailStore(tmp_path / "mail")
    yield store
    store.close()


async def test_a_result_is_used_again_for_some_seconds(mailstore: MailStore) -> None:
    clock = Clock()
    check = MailStoreCheck(mailstore, clock=clock)
    await checked(check)
    assert (await check.check()).is_up
    mailstore.folder.rmdir()
    mailstore.folder.write_text("a file where the folder should be")
    assert (await check.check()).is_up
    clock.now += FRESH_SECONDS
    found = await checked(check)
    assert not found.is_up
    assert str(mailstore.folder) not in found.reason
    mailstore.folder.unlink()
    clock.now += FRESH_SECONDS
    assert (await checked(check)).is_up


async def test_a_disk_that_hangs_neither_blocks_the_loop_nor_gathers_checks(mailstore: MailStore) -> None:
    marker = mailstore.folder / "marker"
    mailstore.folder.mkdir()
    os.mkfifo(marker)  # to open it waits for a writer, as a hung network disk waits for its server
    mailstore.marker.require(marker, "a" * 32)
    clock = Clock()
    check = MailStoreCheck(mailstore, clock=clock)
    found = await asyncio.gather(*(check.check() for _ in range(50)))
    assert {each.reason for each in found} == {"it was not checked yet"}
    clock.now += HUNG_SECONDS
    assert (await check.check()).reason == "its disk does not answer in time"
    with marker.open("w") as writer:  # the disk answers again; a second check would find the end of the file
        writer.write("a" * 32)
    assert (await checked(check)).is_up, "one check was in flight, and it succeeded"


async def checked(check: MailStoreCheck) -> PartHealth:
    """Return the result of a check as soon as none is in flight."""
    await check.check()
    await eventually(lambda: check._running is None)
    return await check.check()

"""Builds the watcher of each mailbox, and starts and stops all mailboxes of a worker together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from worker.mailboxes.action_runner import ActionRunner, make_action_plan
from worker.mailboxes.connections import AccountConnector, HostConnectLimiter
from worker.mailboxes.poller import Poller
from worker.mailboxes.watched_folder import watched_folders
from worker.mailboxes.watcher import BackgroundJob, Watcher
from worker.service_tasks import ServiceTasks
from workitems.base.errors import StoreError
from workitems.base.log import get_logger
from workitems.base.redis import RedisClient
from workitems.base.tasks import cancel_and_wait, not_cancelled
from workitems.intake.put import Intake
from workitems.mailboxes.checkpoint import FolderRecord
from workitems.mailboxes.lease import Lease
from workitems.mailboxes.pending_actions import PendingActions
from workitems.recovery.durable_state import DurableState
from workitems.settings import MailboxSettings, Settings
from workitems.status.heartbeats import HEARTBEAT_SECONDS, HeartbeatWriter

log = get_logger("worker")

#: Seconds for pollers to finish their work, for watchers to release their leases too, and to remove the worker's
#: heartbeat from Redis.
POLLERS_STOP, WATCHERS_STOP, LEAVE = 2.0, 5.0, 0.5


def after_action_triggers(settings: Settings) -> dict[str, str]:
    """Return mailbox → when its after-action is due. Mailboxes that are left unchanged are missing."""
    return {
        name: mailbox.after_action_on for name, mailbox in settings.mailboxes.items() if mailbox.after_action != "leave"
    }


def mailboxes_acting_on_close(settings: Settings) -> list[str]:
    """Return the mailboxes whose after-action is due when the item is closed."""
    return [name for name, when in after_action_triggers(settings).items() if when == "done"]


def make_watcher(
    name: str,
    mailbox: MailboxSettings,
    settings: Settings,
    redis: RedisClient,
    intake: Intake,
    durable_state: DurableState,
    worker: str,
    host_limiter: HostConnectLimiter,
) -> Watcher:
    """Build the watcher of one mailbox. Its folders share lease and sign-in; each has a connection of its own."""
    lease = Lease(redis, name, worker, ttl_seconds=settings.worker.lease_seconds)
    access = AccountConnector(host_limiter)
    folders = watched_folders(name, mailbox, settings)
    pollers = [
        Poller(
            watch,
            FolderRecord(redis, name, watch.folder, lease, durable_state.record_start),
            intake,
            access,
            worker=worker,
        )
        for watch in folders
    ]
    background: list[BackgroundJob] = []
    if plan := make_action_plan(name, mailbox, folders[0].get_account):
        background.append(ActionRunner(plan, PendingActions(redis, name), lease, open_mailbox=access.connect).run)
    return Watcher(lease, pollers, background)


@asynccontextmanager
async def running_watchers(watchers: list[Watcher], service_tasks: ServiceTasks) -> AsyncIterator[None]:
    """Run all watchers inside the block. At its end they stop together, each after its current work."""
    tasks = [service_tasks.start(f"mailbox {watcher.name}", watcher.run()) for watcher in watchers]
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.stop(POLLERS_STOP)
        if tasks:
            await asyncio.wait(tasks, timeout=WATCHERS_STOP)
        await cancel_and_wait(*tasks)
        log.info("pollers stopped", mailboxes=len(watchers))


@asynccontextmanager
async def running_heartbeat(
    report: HeartbeatWriter,
    watchers: list[Watcher],
    service_tasks: ServiceTasks,
    *,
    get_rules_report: Callable[[], tuple[str, str]],
) -> AsyncIterator[None]:
    """Write inside the block, again and again, that this worker is alive and which mailboxes it watches.

    *get_rules_report* returns why the rules in the settings file are not in use ('' while they are), and the digest of
    those that are.
    """

    async def write() -> None:
        reason = ""
        while not_cancelled():
            try:
                mailboxes = tuple(watcher.name for watcher in watchers if watcher.has_lease)
                await report.write(mailboxes, *get_rules_report())
            except StoreError as error:
                if str(error) != reason:
                    reason = str(error)
                    log.warning("Redis is not available; mail waits", reason=reason)
            else:
                if reason:
                    log.info("Redis is available again")
                reason = ""
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async with service_tasks.running("report", write()):
        yield
    with suppress(StoreError, TimeoutError):
        async with asyncio.timeout(LEAVE):
            await report.remove()

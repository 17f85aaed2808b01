"""Watches mailboxes and workers from the side of the servers, which alone can report that no worker is left."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from server.status.assessment import Observation, assess_intake, watched_folders
from server.status.health import FolderProgress, IntakeHealth, Json, MailboxHealth
from server.stream.hub import Hub
from workitems.base.errors import StoreError
from workitems.base.log import get_logger
from workitems.base.redis import RedisClient
from workitems.base.service_loop import run_service_loop
from workitems.settings.mailbox import MailboxSettings
from workitems.status.redis_watch import RedisWatch
from workitems.status.snapshot import HealthSnapshot, clear_alarm, raise_alarm, take_snapshot

log = get_logger("monitor")

#: Seconds between two checks.
CHECK_SECONDS = 2.0

#: Seconds after which a backfill that does not advance counts as ended: its worker may have been killed.
_STUCK_SECONDS = 120.0

#: The alarm that no worker is alive; the others are named after mailboxes.
_NO_WORKER = "no_worker"

#: The fields of which a change alone is not sent: they change with every check.
_PASSING = {"checked", "after", "folders", "waiting", "waiting_since", "workers"}


class Monitor:
    """Knows the health of the mailboxes of the settings, and what of it was sent."""

    def __init__(
        self, redis: RedisClient, hub: Hub, mailboxes: Mapping[str, MailboxSettings], redis_watch: RedisWatch
    ) -> None:
        #: The health at the last check; None before the first.
        self.intake_health: IntakeHealth | None = None
        self.redis_watch = redis_watch
        self._redis = redis
        self._hub = hub
        self._mailboxes = mailboxes
        self._folders = {name: watched_folders(mailbox) for name, mailbox in mailboxes.items()}
        self._alarms = [_NO_WORKER, *(_alarm(name) for name in mailboxes)]
        self._observation: Observation | None = None
        #: (event, mailbox, folder) → what was sent last of each state.
        self._sent: dict[tuple[str, str, str], Json] = {}
        #: (mailbox, folder) → the progress that was seen last, and since when it has not changed.
        self._progress: dict[tuple[str, str], tuple[FolderProgress, float]] = {}

    async def run(self) -> None:
        """Check again and again. What could not be seen while Redis was unavailable is no reason for a complaint."""
        await run_service_loop(
            self._check,
            seconds=CHECK_SECONDS,
            waits="checking the health of the mailboxes waits",
            failed="checking the health of the mailboxes failed",
            log=log,
        )

    async def _check(self) -> None:
        try:
            await self.check_once()
        except StoreError:
            self._observation = None
            raise

    async def check_once(self) -> None:
        """Check once, and report what is new: to the streams by state events, to the log by alarms."""
        await self.redis_watch.refresh()
        seen = await take_snapshot(self._redis, self._folders, self._alarms)
        now = self._assess(seen)
        await self._send_intake(now)
        for mailbox in now.mailboxes:
            await self._send_mailbox(mailbox)
            await self._send_progress(mailbox, now.at)
        await self._update_alarms(now, seen.alarms)

    async def read_health(self) -> IntakeHealth:
        """Return the health now. Raises StoreError."""
        return self._assess(await take_snapshot(self._redis, self._folders))

    async def try_read_health(self, seconds: float) -> IntakeHealth | None:
        """Return the health now, or None when Redis does not give it within *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                return await self.read_health()
        except (StoreError, TimeoutError):
            return None

    def _assess(self, seen: HealthSnapshot) -> IntakeHealth:
        self._observation = (self._observation or Observation(seen.taken_at)).updated_by(seen, self._mailboxes)
        assessed = assess_intake(seen, self._mailboxes, self._observation)
        self.intake_health = replace(assessed, redis=self.redis_watch.findings)
        return self.intake_health

    async def _send_intake(self, now: IntakeHealth) -> None:
        is_default = not now.has_no_worker and not now.quarantined and not now.redis and not now.rules
        await self._send("intake_status", now.summary_to_json(), is_default=is_default)

    async def _send_mailbox(self, mailbox: MailboxHealth) -> None:
        await self._send("mailbox_status", mailbox.to_json(), is_default=mailbox.is_healthy, mailbox=mailbox.name)

    async def _send_progress(self, mailbox: MailboxHealth, now: float) -> None:
        for folder in mailbox.folders:
            key = (mailbox.name, folder.folder)
            last, since = self._progress.get(key, (None, now))
            if folder.progress and folder.progress != last:
                since = now
            progress = folder.progress or last  # its record is removed when all mail was taken
            if progress is None:
                continue
            self._progress[key] = progress, since
            is_running = folder.progress is not None and progress.is_running and now - since < _STUCK_SECONDS
            value = {"mailbox": mailbox.name, **progress.to_json(), "going_on": is_running}
            await self._send(
                "import_progress", value, is_default=not is_running, mailbox=mailbox.name, subkey=folder.folder
            )

    async def _send(self, event: str, value: Json, *, is_default: bool, mailbox: str = "", subkey: str = "") -> None:
        """Send the streams what they do not know yet. The default state they know without an event."""
        key, news = (event, mailbox, subkey), {"is_default": is_default} | _news(value)
        before = self._sent.get(key)
        self._sent[key] = news
        if news != before and not (is_default and before is None):
            await self._hub.publish_state(event, value, is_default=is_default, mailbox=mailbox, subkey=subkey)

    async def _update_alarms(self, now: IntakeHealth, on: frozenset[str]) -> None:
        """Log alarms that begin or end: the first process that sees it logs each."""
        if now.needs_worker_alarm:
            message = "no worker is alive: mail is neither fetched nor read"
            await self._begin(_NO_WORKER, on, message, waiting=now.waiting)
        elif now.workers:
            await self._end(_NO_WORKER, on, "a worker is alive again", workers=now.workers)
        for mailbox in now.mailboxes if now.workers else ():
            name, reason = _alarm(mailbox.name), mailbox.reason
            if mailbox.is_unreported:
                await self._begin(name, on, "a mailbox is not read", mailbox=mailbox.name, reason=reason)
            elif mailbox.state == "watching":
                await self._end(name, on, "a mailbox is read again", mailbox=mailbox.name)

    async def _begin(self, alarm: str, on: frozenset[str], message: str, **more: Any) -> None:
        if alarm not in on and await raise_alarm(self._redis, alarm):
            log.warning(message, **more)

    async def _end(self, alarm: str, on: frozenset[str], message: str, **more: Any) -> None:
        if alarm in on and await clear_alarm(self._redis, alarm):
            log.info(message, **more)


def _alarm(mailbox: str) -> str:
    return f"mailbox:{mailbox}"


def _news(value: Json) -> Json:
    return {name: each for name, each in value.items() if name not in _PASSING}

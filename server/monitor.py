"""Looks after mailboxes and workers from the servers' side: they alone see that nobody is left to tell of trouble."""

import asyncio
from collections.abc import Mapping
from typing import Any

from server.hub import Hub
from server.mailboxes import Json, MailboxHealth, Progress, Watching, watched
from server.overview import Overview, overview
from workitems.errors import StoreUnavailableError
from workitems.health import Sighting, end_alarm, look, raise_alarm
from workitems.log import get_logger
from workitems.redis import Client
from workitems.settings.mailbox import MailboxSettings
from workitems.tasks import not_cancelled

log = get_logger("monitor")

#: Seconds between two looks.
LOOK = 2.0

#: Seconds without any worker after which that is an alarm; the page tells it earlier.
_ALARM = 30.0

#: Seconds after which old mail that gets no further is no progress: who read it may have been killed.
_STUCK = 120.0

#: The alarm that no worker is alive; others are named after mailboxes.
_ALONE = "alone"

#: What is no news by itself: it changes with every check.
_PASSING = {"checked", "after", "folders", "waiting", "waiting_since", "workers"}


class Monitor:
    """What this process knows of the mailboxes of the settings, and what it has told of them."""

    def __init__(self, redis: Client, hub: Hub, mailboxes: Mapping[str, MailboxSettings]) -> None:
        #: The last look; None before the first.
        self.overview: Overview | None = None
        self._redis = redis
        self._hub = hub
        self._mailboxes = mailboxes
        self._folders = {name: watched(mailbox) for name, mailbox in mailboxes.items()}
        self._alarms = [_ALONE, *(_alarm(name) for name in mailboxes)]
        self._watching: Watching | None = None
        self._told: dict[tuple[str, str, str], Json] = {}
        #: (mailbox, folder) → the progress that was seen last, and since when it is that.
        self._progress: dict[tuple[str, str], tuple[Progress, float]] = {}

    async def run(self) -> None:
        """Look for ever. What could not be seen while Redis was away is held against nobody."""
        while not_cancelled():
            try:
                await self.step()
            except StoreUnavailableError:
                self._watching = None
            except Exception:  # the streams go on without us
                log.exception("looking after the mailboxes failed")
            await asyncio.sleep(LOOK)

    async def step(self) -> None:
        """Look once, and tell what is new: streams by state events, the log by alarms."""
        seen = await look(self._redis, self._folders, self._alarms)
        now = self._judge(seen)
        await self._tell_intake(now)
        for mailbox in now.mailboxes:
            await self._tell_mailbox(mailbox)
            await self._tell_progress(mailbox, now.at)
        await self._sound(now, seen.alarms)

    async def look(self) -> Overview:
        """How it is now. Raises StoreUnavailableError."""
        return self._judge(await look(self._redis, self._folders))

    def _judge(self, seen: Sighting) -> Overview:
        self._watching = (self._watching or Watching(seen.at)).on(seen, self._mailboxes)
        self.overview = overview(seen, self._mailboxes, self._watching)
        return self.overview

    async def _tell_intake(self, now: Overview) -> None:
        await self._tell("intake_status", now.intake(), usual=not now.alone and not now.quarantined)

    async def _tell_mailbox(self, mailbox: MailboxHealth) -> None:
        await self._tell("mailbox_status", mailbox.told(), usual=mailbox.well, mailbox=mailbox.name)

    async def _tell_progress(self, mailbox: MailboxHealth, now: float) -> None:
        for folder in mailbox.folders:
            place = (mailbox.name, folder.folder)
            last, since = self._progress.get(place, (None, now))
            if folder.progress and folder.progress != last:
                since = now
            progress = folder.progress or last  # its record goes when all is taken
            if progress is None:
                continue
            self._progress[place] = progress, since
            going_on = folder.progress is not None and progress.going_on and now - since < _STUCK
            told = {"mailbox": mailbox.name, **progress.told(), "going_on": going_on}
            await self._tell("import_progress", told, usual=not going_on, mailbox=mailbox.name, part=folder.folder)

    async def _tell(self, event: str, value: Json, *, usual: bool, mailbox: str = "", part: str = "") -> None:
        """Tell the streams what they do not know yet; that all is as usual is what they take for granted."""
        key, news = (event, mailbox, part), {"usual": usual} | _news(value)
        before = self._told.get(key)
        self._told[key] = news
        if news != before and not (usual and before is None):
            await self._hub.state(event, value, usual=usual, mailbox=mailbox, part=part)

    async def _sound(self, now: Overview, on: frozenset[str]) -> None:
        """Alarms that begin or end: each is told by one process, whichever is first."""
        alone = now.alone and now.at - max(now.heard or 0.0, self._since) > _ALARM
        if alone:
            await self._begin(_ALONE, on, "no worker is alive: mail is neither fetched nor read", waiting=now.waiting)
        elif now.workers:
            await self._end(_ALONE, on, "a worker is alive again", workers=now.workers)
        for mailbox in now.mailboxes if now.workers else ():
            name, reason = _alarm(mailbox.name), mailbox.reason
            if mailbox.unnoticed:
                await self._begin(name, on, "a mailbox is not read", mailbox=mailbox.name, reason=reason)
            elif mailbox.state == "watching":
                await self._end(name, on, "a mailbox is read again", mailbox=mailbox.name)

    @property
    def _since(self) -> float:
        return self._watching.since if self._watching else 0.0

    async def _begin(self, alarm: str, on: frozenset[str], words: str, **more: Any) -> None:
        if alarm not in on and await raise_alarm(self._redis, alarm):
            log.warning(words, **more)

    async def _end(self, alarm: str, on: frozenset[str], words: str, **more: Any) -> None:
        if alarm in on and await end_alarm(self._redis, alarm):
            log.info(words, **more)


def _alarm(mailbox: str) -> str:
    return f"mailbox:{mailbox}"


def _news(value: Json) -> Json:
    return {name: each for name, each in value.items() if name not in _PASSING}

"""How one mailbox is doing, out of what the workers wrote. Pure.

Health is the age of the last round trip that was completed, not the word that a worker left before it died.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workitems.health import Sighting, number
from workitems.mailbox import CONNECTING, FAILING, NEEDS_SIGN_IN, PAUSED, WATCHING
from workitems.settings.mailbox import MailboxSettings

Json = dict[str, Any]

#: No worker watches the mailbox.
UNWATCHED = "unwatched"

#: Seconds without a word of a worker, or without a worker for a mailbox, after which that is told.
UNHEARD = 20.0

#: A mailbox is stale when no check was completed for so many times its `poll`, and for so many seconds.
_POLLS, _LEAST = 3, 90.0

#: Seconds for which it is told that a mailbox was numbered anew.
_NEWS = 3600.0

#: Told states, the worst first.
_WORST = (NEEDS_SIGN_IN, FAILING, PAUSED, CONNECTING, WATCHING)


@dataclass(frozen=True, slots=True)
class Watching:
    """How long this process has looked: what it could not have seen yet is not held against anybody."""

    #: Since when every look has worked.
    since: float
    #: When a worker was last heard of, also of one that has left.
    heard: float = 0.0
    #: Mailbox → since when no worker was seen to hold it.
    unheld: Mapping[str, float] = field(default_factory=dict)

    def on(self, seen: Sighting, mailboxes: Iterable[str]) -> "Watching":
        """With one more look."""
        unheld = {name: self.unheld.get(name, seen.at) for name in mailboxes if name not in seen.held}
        return Watching(self.since, max([self.heard, *seen.workers.values()]), unheld)


@dataclass(frozen=True, slots=True)
class Progress:
    """Old mail that is being read: *taken* of *todo*."""

    folder: str
    taken: int
    todo: int

    @property
    def going_on(self) -> bool:
        return self.taken < self.todo

    def told(self) -> Json:
        return {"folder": self.folder, "taken": self.taken, "todo": self.todo}


@dataclass(frozen=True, slots=True)
class FolderHealth:
    """One folder; times are seconds since 1970. *stale*: no check was completed for too long, whatever was told."""

    folder: str
    state: str
    stale: bool
    error: str
    checked: float | None
    since: float | None
    rebaselined: float | None
    baselines: int
    owed: int
    given_up: int
    progress: Progress | None
    after_error: str

    def told(self) -> Json:
        return {
            "folder": self.folder, "state": self.state, "error": self.error, "checked": moment(self.checked),
            "baselines": self.baselines, "owed": self.owed, "given_up": self.given_up,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class MailboxHealth:
    """One mailbox: the state of its worst folder, why in words, and what a person can do."""

    name: str
    state: str
    reason: str
    advice: str
    stale: bool
    checked: float | None
    since: float | None
    rebaselined: float | None
    after_waiting: int
    after_error: str
    folders: tuple[FolderHealth, ...]

    @property
    def well(self) -> bool:
        """Whether there is nothing to tell anybody."""
        return self.state in (WATCHING, CONNECTING) and self.rebaselined is None and not self.after_error

    @property
    def unnoticed(self) -> bool:
        """Whether there is trouble of which its worker has told nothing."""
        return self.state in (FAILING, UNWATCHED) and not any(folder.error for folder in self.folders)

    def told(self) -> Json:
        return {
            "name": self.name, "state": self.state, "reason": self.reason, "advice": self.advice, "stale": self.stale,
            "checked": moment(self.checked), "since": moment(self.since), "rebaselined": moment(self.rebaselined),
            "after": {"waiting": self.after_waiting, "error": self.after_error},
            "folders": [folder.told() for folder in self.folders],
        }  # fmt: skip


def judge(name: str, settings: MailboxSettings, seen: Sighting, watching: Watching, alone: bool) -> MailboxHealth:
    """What *seen* means for the mailbox *name*; *alone*: no worker is alive."""
    since = watching.unheld.get(name)
    unwatched = alone or (since is not None and seen.at - max(since, watching.since) > UNHEARD)
    held = seen.held.get(name)
    begun = max(held, watching.since) if held is not None else seen.at
    limit = max(_POLLS * settings.poll, _LEAST)
    folders = tuple(
        _folder(folder, seen.folders.get((name, folder), {}), seen.at, begun, limit) for folder in watched(settings)
    )
    worst = min(folders, key=lambda folder: _WORST.index(folder.state))
    state = UNWATCHED if unwatched else worst.state
    reason, advice = _words(name, settings, state, worst, alone)
    checked = min((folder.checked for folder in folders if folder.checked), default=None)
    return MailboxHealth(
        name=name,
        state=state,
        reason=reason,
        advice=advice,
        stale=worst.stale,
        checked=checked,
        since=None if state in (WATCHING, CONNECTING) else checked if unwatched else worst.since or checked,
        rebaselined=max((folder.rebaselined for folder in folders if folder.rebaselined), default=None),
        after_waiting=(seen.after or {}).get(name, 0),
        after_error=next((folder.after_error for folder in folders if folder.after_error), ""),
        folders=folders,
    )


def watched(settings: MailboxSettings) -> tuple[str, ...]:
    """The folders of a mailbox that have records."""
    return (*settings.folder, *((settings.sent,) if settings.sent else ()))


def _folder(folder: str, record: Mapping[str, str], now: float, begun: float, limit: float) -> FolderHealth:
    """*begun*: since when its worker could have checked it."""
    checked, rebaselined = number(record.get("checked")), number(record.get("rebaselined"))
    stale = now - max(checked or 0.0, begun) > limit
    told = record.get("state", CONNECTING)
    state = told if told in _WORST else FAILING
    if stale and state != NEEDS_SIGN_IN:
        state = FAILING
    return FolderHealth(
        folder=folder,
        state=state,
        stale=stale,
        error=record.get("error", ""),
        checked=checked,
        since=number(record.get("since")) or checked,
        rebaselined=rebaselined if rebaselined and now - rebaselined < _NEWS else None,
        baselines=_whole(record.get("baselines")),
        owed=_length(record.get("owed")),
        given_up=_whole(record.get("given_up")),
        progress=_progress(folder, record),
        after_error=record.get("after_error", ""),
    )


def _progress(folder: str, record: Mapping[str, str]) -> Progress | None:
    """Old mail that `run.py import` or the first sync reads; an import that goes on is told first."""
    found = [
        Progress(folder, min(_whole(record.get(prefix + "taken")), todo), todo)
        for prefix in ("import_", "")
        if (todo := _whole(record.get(prefix + "todo")))
    ]
    return next((each for each in found if each.going_on), found[0] if found else None)


def _words(name: str, settings: MailboxSettings, state: str, folder: FolderHealth, alone: bool) -> tuple[str, str]:
    """Why a mailbox is as it is, and what a person can do."""
    if state == UNWATCHED and alone:
        return "no worker is running", "An administrator starts the workers."
    if state == UNWATCHED:
        return "no worker has taken this mailbox", "An administrator restarts the workers."
    if state == NEEDS_SIGN_IN:
        return folder.error or "the mail server refuses the sign-in", _sign_in(name, settings)
    if state == PAUSED:
        return folder.error or "mail cannot be taken just now", "It goes on by itself as soon as there is room."
    if state == FAILING and not folder.error:
        return "its worker completes no check", "An administrator looks into the worker's log."
    if state == FAILING:
        return folder.error, "It is tried again and again. An administrator finds out more by: run.py check"
    return "", ""


def _sign_in(name: str, settings: MailboxSettings) -> str:
    if settings.token_file or settings.token_command:
        return f"An administrator runs: run.py authorize {name}"
    what = "user and password" if settings.auth == "password" else "client_id, client_secret and tenant"
    return f"An administrator checks {what} of mailboxes.{name}, then runs: run.py check"


def age(then: float | None, now: float) -> float | None:
    """Seconds between *then* and *now*."""
    return None if then is None else round(max(0.0, now - then), 1)


def moment(seconds: float | None) -> str | None:
    """ISO 8601 in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _whole(text: str | None) -> int:
    return int(number(text) or 0)


def _length(text: str | None) -> int:
    """How many UIDs a record owes."""
    try:
        owed = json.loads(text or "{}")
    except ValueError:
        return 0
    return len(owed) if isinstance(owed, dict) else 0

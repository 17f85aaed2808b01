"""Judges the health of mailboxes and of the intake from what the workers wrote: the only place that does. Pure.

Health is the age of the last completed round trip, and not the last state that a worker wrote before it died.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from server.status.health import UNWATCHED, FolderHealth, FolderProgress, IntakeHealth, MailboxHealth
from workitems.mailboxes.checkpoint import CONNECTING, FAILING, NEEDS_SIGN_IN, PAUSED, WATCHING
from workitems.settings.mailbox import MailboxSettings
from workitems.status.rules_findings import judge_rules
from workitems.status.snapshot import HealthSnapshot, parse_number

#: Seconds without a heartbeat of a worker, or without a worker for a mailbox, until it is reported.
WORKER_TIMEOUT = 20.0

#: Seconds without any worker until the log has an alarm; the page shows it earlier.
_ALARM_SECONDS = 30.0

#: A mailbox is stale when no check was completed for so many times its `poll_seconds`, and for so many seconds.
_STALE_POLLS, _MIN_STALE_SECONDS = 3, 90.0

#: Seconds for which a new UIDVALIDITY of a mailbox is reported.
_REBASELINED_SECONDS = 3600.0

#: The states of a folder, the worst first.
_WORST_FIRST = (NEEDS_SIGN_IN, FAILING, PAUSED, CONNECTING, WATCHING)


@dataclass(frozen=True, slots=True)
class Observation:
    """How long this process has observed: what it could not have seen yet is no reason for a complaint."""

    #: Since when every snapshot was taken without an error.
    since: float
    #: The last heartbeat of any worker, also of one that has left.
    worker_heartbeat_at: float = 0.0
    #: Mailbox → since when no worker was seen to hold its lease.
    unleased_since: Mapping[str, float] = field(default_factory=dict)

    def updated_by(self, seen: HealthSnapshot, mailboxes: Iterable[str]) -> "Observation":
        """Return the observation after one more snapshot."""
        unleased = {
            name: self.unleased_since.get(name, seen.taken_at) for name in mailboxes if name not in seen.leased_since
        }
        return Observation(self.since, max([self.worker_heartbeat_at, *seen.workers.values()]), unleased)


def assess_intake(
    seen: HealthSnapshot, mailboxes: Mapping[str, MailboxSettings], observed: Observation
) -> IntakeHealth:
    """Judge what *seen* means for the *mailboxes* of the settings."""
    alive = {name for name, at in seen.workers.items() if seen.taken_at - at <= WORKER_TIMEOUT}
    workers = len(alive)
    silent = 0.0 if workers else seen.taken_at - max(observed.worker_heartbeat_at, observed.since)
    has_no_worker = silent > WORKER_TIMEOUT
    return IntakeHealth(
        at=seen.taken_at,
        workers=workers,
        has_no_worker=has_no_worker,
        needs_worker_alarm=silent > _ALARM_SECONDS,
        worker_heartbeat_at=observed.worker_heartbeat_at or None,
        mailboxes=tuple(_assess_mailbox(name, mailboxes[name], seen, observed, has_no_worker) for name in mailboxes),
        waiting=seen.waiting_mails,
        waiting_since=seen.waiting_since,
        quarantined=seen.quarantined,
        quarantined_since=seen.quarantined_since,
        rules=judge_rules({name: error for name, error in seen.rules_errors.items() if name in alive}),
    )


def watched_folders(settings: MailboxSettings) -> tuple[str, ...]:
    """Return the folders of a mailbox that have records."""
    return (*settings.folders, *((settings.sent_folder,) if settings.sent_folder else ()))


def _assess_mailbox(
    name: str, settings: MailboxSettings, seen: HealthSnapshot, observed: Observation, has_no_worker: bool
) -> MailboxHealth:
    unleased = observed.unleased_since.get(name)
    unwatched = has_no_worker or (
        unleased is not None and seen.taken_at - max(unleased, observed.since) > WORKER_TIMEOUT
    )
    leased = seen.leased_since.get(name)
    checkable = max(leased, observed.since) if leased is not None else seen.taken_at
    limit = max(_STALE_POLLS * settings.poll_seconds, _MIN_STALE_SECONDS)
    folders = tuple(
        _assess_folder(folder, seen.folders.get((name, folder), {}), seen.taken_at, checkable, limit)
        for folder in watched_folders(settings)
    )
    worst = min(folders, key=lambda folder: _WORST_FIRST.index(folder.state))
    state = UNWATCHED if unwatched else worst.state
    reason, advice = _explain(name, settings, state, worst, has_no_worker)
    checked = min((folder.checked for folder in folders if folder.checked), default=None)
    return MailboxHealth(
        name=name,
        state=state,
        reason=reason,
        advice=advice,
        is_stale=worst.is_stale,
        checked=checked,
        since=None if state in (WATCHING, CONNECTING) else checked if unwatched else worst.since or checked,
        rebaselined=max((folder.rebaselined for folder in folders if folder.rebaselined), default=None),
        pending_actions=(seen.pending_actions or {}).get(name, 0),
        after_error=next((folder.after_error for folder in folders if folder.after_error), ""),
        folders=folders,
    )


def _assess_folder(folder: str, record: Mapping[str, str], now: float, checkable: float, limit: float) -> FolderHealth:
    """Judge one folder. *checkable*: since when its worker could have checked it."""
    checked, rebaselined = parse_number(record.get("checked")), parse_number(record.get("rebaselined"))
    is_stale = now - max(checked or 0.0, checkable) > limit
    state = record.get("state", CONNECTING)
    if state not in _WORST_FIRST or (is_stale and state != NEEDS_SIGN_IN):
        state = FAILING
    return FolderHealth(
        folder=folder,
        state=state,
        is_stale=is_stale,
        error=record.get("error", ""),
        checked=checked,
        since=parse_number(record.get("since")) or checked,
        rebaselined=rebaselined if rebaselined and now - rebaselined < _REBASELINED_SECONDS else None,
        baselines=_parse_int(record.get("baselines")),
        unfetched=_count_unfetched(record.get("unfetched")),
        given_up=_parse_int(record.get("given_up")),
        progress=_progress(folder, record),
        after_error=record.get("after_error", ""),
    )


def _progress(folder: str, record: Mapping[str, str]) -> FolderProgress | None:
    """Return how far `run.py import` or the backfill is; the one that runs, or else the import."""
    found = [
        FolderProgress(folder, min(_parse_int(record.get(prefix + "taken")), todo), todo)
        for prefix in ("import_", "")
        if (todo := _parse_int(record.get(prefix + "todo")))
    ]
    return next((each for each in found if each.is_running), found[0] if found else None)


def _explain(
    name: str, settings: MailboxSettings, state: str, folder: FolderHealth, has_no_worker: bool
) -> tuple[str, str]:
    """Return the reason for the state of a mailbox, and what a person can do."""
    if state == UNWATCHED and has_no_worker:
        return "no worker is running", "An administrator starts the workers."
    if state == UNWATCHED:
        return "no worker has taken this mailbox", "An administrator restarts the workers."
    if state == NEEDS_SIGN_IN:
        return folder.error or "the mail server refuses the sign-in", _sign_in_advice(name, settings)
    if state == PAUSED:
        return folder.error or "mail cannot be taken just now", "It continues by itself as soon as there is space."
    if state == FAILING and not folder.error:
        return "its worker completes no check", "An administrator looks into the worker's log."
    if state == FAILING:
        return folder.error, "It is tried again and again. An administrator finds out more by: run.py check"
    return "", ""


def _sign_in_advice(name: str, settings: MailboxSettings) -> str:
    if settings.token_file or settings.token_command:
        return f"An administrator runs: run.py authorize {name}"
    what = "user and password" if settings.auth == "password" else "client_id, client_secret and tenant"
    return f"An administrator corrects {what} of mailboxes.{name}, then runs: run.py check, and run.py restart"


def _parse_int(text: str | None) -> int:
    return int(parse_number(text) or 0)


def _count_unfetched(text: str | None) -> int:
    """Return how many UIDs a record has as unfetched."""
    try:
        unfetched = json.loads(text or "{}")
    except ValueError:
        return 0
    return len(unfetched) if isinstance(unfetched, dict) else 0

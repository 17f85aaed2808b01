"""The health of mailboxes, folders and the intake at one time: facts as they were judged, and their JSON forms."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workitems.mailboxes.checkpoint import CONNECTING, FAILING, WATCHING
from workitems.status.finding import Finding

Json = dict[str, Any]

#: The state of a mailbox that no worker watches; the other states are those of its folders.
UNWATCHED = "unwatched"


@dataclass(frozen=True, slots=True)
class FolderProgress:
    """Old mail that is being read: *taken* of *todo*."""

    folder: str
    taken: int
    todo: int

    @property
    def is_running(self) -> bool:
        return self.taken < self.todo

    def to_json(self) -> Json:
        return {"folder": self.folder, "taken": self.taken, "todo": self.todo}


@dataclass(frozen=True, slots=True)
class FolderHealth:
    """One folder; times are seconds since 1970. *is_stale*: no check was completed for too long, whatever its state."""

    folder: str
    state: str
    is_stale: bool
    error: str
    checked: float | None
    since: float | None
    rebaselined: float | None
    baselines: int
    unfetched: int
    given_up: int
    progress: FolderProgress | None
    after_error: str

    def to_json(self) -> Json:
        return {
            "folder": self.folder, "state": self.state, "error": self.error, "checked": iso_time(self.checked),
            "baselines": self.baselines, "unfetched": self.unfetched, "given_up": self.given_up,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class MailboxHealth:
    """One mailbox: the state of its worst folder, the reason in words, and what a person can do."""

    name: str
    state: str
    reason: str
    advice: str
    is_stale: bool
    checked: float | None
    since: float | None
    rebaselined: float | None
    pending_actions: int
    after_error: str
    folders: tuple[FolderHealth, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether there is nothing to report."""
        return self.state in (WATCHING, CONNECTING) and self.rebaselined is None and not self.after_error

    @property
    def is_unreported(self) -> bool:
        """Whether it has trouble that its worker did not report."""
        return self.state in (FAILING, UNWATCHED) and not any(folder.error for folder in self.folders)

    def to_json(self) -> Json:
        return {
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "advice": self.advice,
            "stale": self.is_stale,
            "checked": iso_time(self.checked),
            "since": iso_time(self.since),
            "rebaselined": iso_time(self.rebaselined),
            "after": {"waiting": self.pending_actions, "error": self.after_error},
            "folders": [folder.to_json() for folder in self.folders],
        }


@dataclass(frozen=True, slots=True)
class IntakeHealth:
    """Everything at one time. `workers`: how many are alive. `has_no_worker`: none was alive for too long."""

    at: float
    workers: int
    has_no_worker: bool
    #: Whether none was alive for so long that the log must say so.
    needs_worker_alarm: bool
    worker_heartbeat_at: float | None
    mailboxes: tuple[MailboxHealth, ...]
    waiting: int
    waiting_since: float | None
    quarantined: int
    quarantined_since: float | None
    #: What is wrong with Redis by its own answers.
    redis: tuple[Finding, ...] = ()
    #: What is wrong with changed field rules.
    rules: tuple[Finding, ...] = ()

    def summary_to_json(self) -> Json:
        """Return what does not belong to one mailbox."""
        return {
            "workers": self.workers,
            "no_worker": self.has_no_worker,
            "since": iso_time(self.worker_heartbeat_at) if self.has_no_worker else None,
            "checked": iso_time(max((m.checked for m in self.mailboxes if m.checked), default=None)),
            "waiting": self.waiting,
            "waiting_since": iso_time(self.waiting_since),
            "quarantine": {"count": self.quarantined, "since": iso_time(self.quarantined_since)},
            "redis": [finding.to_json() for finding in self.redis],
            "rules": [finding.to_json() for finding in self.rules],
        }

    def to_json(self) -> Json:
        """Return the answer of `GET /api/mailboxes`."""
        return {
            "at": iso_time(self.at),
            "mailboxes": [
                mailbox.to_json()
                | {
                    "age": _age(mailbox.checked, self.at),
                    "progress": [f.progress.to_json() for f in mailbox.folders if f.progress and f.progress.is_running],
                }
                for mailbox in self.mailboxes
            ],
            "intake": self.summary_to_json(),
        }


def iso_time(seconds: float | None) -> str | None:
    """Format seconds since 1970 as ISO 8601 in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _age(then: float | None, now: float) -> float | None:
    return None if then is None else round(max(0.0, now - then), 1)

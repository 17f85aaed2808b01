"""How mail comes in, all of it at one time, out of one look at what the workers wrote. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.mailboxes import UNHEARD, Json, MailboxHealth, Watching, age, judge, moment
from workitems.health import Sighting
from workitems.settings.mailbox import MailboxSettings


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it at one time. `workers` are those alive; `alone`: there was none for too long."""

    at: float
    workers: int
    alone: bool
    heard: float | None
    mailboxes: tuple[MailboxHealth, ...]
    waiting: int
    waiting_since: float | None
    quarantined: int
    quarantined_since: float | None

    def intake(self) -> Json:
        """What is not one mailbox's."""
        return {
            "workers": self.workers, "alone": self.alone, "since": moment(self.heard) if self.alone else None,
            "checked": moment(max((m.checked for m in self.mailboxes if m.checked), default=None)),
            "waiting": self.waiting, "waiting_since": moment(self.waiting_since),
            "quarantine": {"count": self.quarantined, "since": moment(self.quarantined_since)},
        }  # fmt: skip

    def told(self) -> Json:
        """The answer of `GET /api/mailboxes`."""
        return {
            "at": moment(self.at),
            "mailboxes": [
                mailbox.told()
                | {
                    "age": age(mailbox.checked, self.at),
                    "progress": [f.progress.told() for f in mailbox.folders if f.progress and f.progress.going_on],
                }
                for mailbox in self.mailboxes
            ],
            "intake": self.intake(),
        }


def overview(seen: Sighting, mailboxes: Mapping[str, MailboxSettings], watching: Watching) -> Overview:
    """What *seen* means for the *mailboxes* of the settings."""
    workers = sum(seen.at - at <= UNHEARD for at in seen.workers.values())
    alone = not workers and seen.at - max(watching.heard, watching.since) > UNHEARD
    return Overview(
        at=seen.at,
        workers=workers,
        alone=alone,
        heard=watching.heard or None,
        mailboxes=tuple(judge(name, mailboxes[name], seen, watching, alone) for name in mailboxes),
        waiting=seen.waiting,
        waiting_since=seen.waiting_since,
        quarantined=seen.quarantined,
        quarantined_since=seen.quarantined_since,
    )

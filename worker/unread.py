"""An item for a mail that the mail store has lost: all that is left is that it came."""

from datetime import UTC, datetime

from worker.machine import Publication
from workitems.intake import Waiting
from workitems.item import MACHINE, SCHEMA


def missing(waiting: Waiting) -> Publication:
    """An empty item for review. `created_at` is the time at which the mail began to wait, which its entry carries."""
    put = datetime.fromtimestamp(int(waiting.entry.partition("-")[0]) / 1000, UTC)
    machine = MACHINE | {
        "schema": SCHEMA,
        "created_at": put.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "flags": ["needs_review"],
        "reason": "the mail store no longer holds this mail; look for it in the mailbox",
    }
    return Publication(machine, {}, [], (), "", (), quarantined=True)

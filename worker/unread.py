"""Mail that waits to be read and of which the mail store has no raw bytes: what is left of it is published."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from worker.machine import MOST_ATTACHMENTS, MOST_RECIPIENTS, Publication
from workitems.errors import DecodeError, NotFoundError
from workitems.intake import Waiting
from workitems.item import MACHINE, SCHEMA, Json
from workitems.mailstore import MailStore
from workitems.sidecar import Sidecar

#: Characters of a preview that is made from the text.
_PREVIEW = 200


async def without_raw(mailstore: MailStore, waiting: Waiting) -> Publication:
    """By what was read before, where the raw mail was removed for its age and Redis lost the item; else `missing`."""
    try:
        sidecars = await mailstore.sidecars(waiting.id)
        reading = await mailstore.get_reading(waiting.id)
    except (NotFoundError, DecodeError, ValueError):
        return missing(waiting)
    return remembered(reading, sidecars)


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


def remembered(reading: dict[str, Any], sidecars: Sequence[Sidecar]) -> Publication:
    """The item as it was, from what was read; its files lie where they lay."""
    first, attachments = sidecars[0], reading.get("attachments", [])
    taken = ("subject", "from_email", "from_name", "flags", "reason")
    machine: Json = MACHINE | {
        "schema": SCHEMA,
        **{name: reading[name] for name in taken if name in reading},
        "kind": "own" if first.own else reading.get("kind", "human"),
        "to": reading.get("to", [])[:MOST_RECIPIENTS],
        "created_at": first.arrived,
        "preview": " ".join(reading.get("text", "")[: 4 * _PREVIEW].split())[:_PREVIEW],
        "extracted_fields": reading.get("fields", {}),
        "attachments": [
            {name: part[name] for name in ("n", "name", "type", "size")} for part in attachments if not part["inline"]
        ][:MOST_ATTACHMENTS],
    }
    return Publication(
        machine,
        reading,
        [],
        tuple(sidecar.raw for sidecar in sidecars),
        reading.get("message_key", ""),
        tuple(reading.get("reference_keys", ())),
        status="done" if first.own else "new",
    )

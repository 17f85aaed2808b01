"""Builds publications of mail whose raw bytes are no longer in the mail store, from what is left."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from worker.publishing.publication import (
    FILE_FIELDS,
    MAX_ATTACHMENTS,
    MAX_RECIPIENTS,
    MAX_REPLY_TO,
    Publication,
    describe_file,
    is_forged,
)
from workitems.base.errors import DecodeError, NotFoundError
from workitems.intake.consumer_group import IntakeEntry
from workitems.mailstore.sidecar import Sidecar
from workitems.mailstore.store import MailStore
from workitems.queue.item import MACHINE_DEFAULTS, SCHEMA_VERSION, Json
from workitems.queue.participants import Participants

#: Characters of a preview that is made from the text.
_PREVIEW = 200

#: A number of recipients with which a sender must be one of them to join by an answer.
SEVERAL = 2


async def publication_without_raw(mailstore: MailStore, entry: IntakeEntry) -> Publication:
    """Build a publication from the stored reading: the raw mail was removed for its age, and Redis lost the item.

    Without a stored reading it is an empty item for review.
    """
    try:
        sidecars = await mailstore.all_sidecars(entry.item_id)
        reading = await mailstore.get_reading(entry.item_id)
    except (NotFoundError, DecodeError, ValueError):
        return missing_publication(entry)
    return publication_from_reading(reading, sidecars)


def missing_publication(entry: IntakeEntry) -> Publication:
    """Return an empty item for review. `created_at` is when the mail was put, which is in the entry id."""
    put = datetime.fromtimestamp(int(entry.entry_id.partition("-")[0]) / 1000, UTC)
    machine = MACHINE_DEFAULTS | {
        "schema": SCHEMA_VERSION,
        "created_at": put.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "flags": ["needs_review"],
        "reason": "the mail store no longer holds this mail; look for it in the mailbox",
    }
    return Publication(machine, {}, [], (), "", (), is_quarantined=True)


def publication_from_reading(reading: dict[str, Any], sidecars: Sequence[Sidecar]) -> Publication:
    """Rebuild the item from its stored reading. The attachments are stored already."""
    first, attachments = sidecars[0], reading.get("attachments", [])
    is_own = any(sidecar.own for sidecar in sidecars)
    participants = Participants.of(
        reading.get("from_email", ""),
        [*reading.get("to", ()), *reading.get("cc", ())],
        delivered_to=[address for sidecar in sidecars for address in sidecar.recipients],
        is_own=is_own,
        is_forged=is_forged(reading.get("authentication")) or not reading.get("has_one_sender", True),
    )
    if participants.sent is not None:  # the reading does not say whether there were recipients of Bcc, too
        participants = replace(participants, sent=max(participants.sent, SEVERAL))
    names = ("subject", "from_email", "from_name", "authentication", "flags", "reason")
    machine: Json = MACHINE_DEFAULTS | {
        "schema": SCHEMA_VERSION,
        **{name: reading[name] for name in names if name in reading},
        "kind": "own" if is_own else reading.get("kind", "human"),
        "to": reading.get("to", [])[:MAX_RECIPIENTS],
        "reply_to": reading.get("reply_to", [])[:MAX_REPLY_TO],
        "created_at": first.arrived,
        "preview": " ".join(reading.get("text", "")[: 4 * _PREVIEW].split())[:_PREVIEW],
        "extracted_fields": reading.get("fields", {}),
        "attachments": [describe_file(part, *FILE_FIELDS) for part in attachments if not part["inline"]][
            :MAX_ATTACHMENTS
        ],
    }
    return Publication(
        machine,
        reading,
        [],
        tuple(sidecar.raw for sidecar in sidecars),
        reading.get("message_key", ""),
        tuple(reading.get("reference_keys", ())),
        participants,
        status="done" if is_own else "new",
    )

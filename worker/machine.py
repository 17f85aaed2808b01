"""From what the reading children found to what is stored and published. Pure: the same mail gives equal bytes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker.sandbox.process import Result
from workitems import identity
from workitems.item import MACHINE, SCHEMA, Json
from workitems.sidecar import Stored
from workitems.store import ANCESTORS

#: What the list view carries at most; the rest comes with the stored reading.
MOST_RECIPIENTS, MOST_ATTACHMENTS = 50, 50

#: What the stored reading takes over from `worker.reading.Reading` as it is.
READING = (
    "subject", "from_email", "from_name", "to", "cc", "date", "text", "html", "fields", "evidence", "kind",
)  # fmt: skip

#: Characters of a raw header value that is shown when nothing better could be read.
RAW_VALUE = 300

HEADERS_ONLY = "the mailbox's server gave only the headers of this mail"


@dataclass(frozen=True, slots=True)
class Version:
    """One stored version of a mail and what was read from it."""

    stored: Stored
    result: Result


@dataclass(frozen=True, slots=True)
class Publication:
    """What the store and the mail store are given for one mail; keys as `identity.message_key` makes them."""

    machine: Json
    reading: dict[str, Any]
    attachments: list[bytes]
    raws: tuple[str, ...]
    message_id: str
    references: tuple[str, ...]
    #: Whether it could not be read as it should.
    quarantined: bool = False
    #: The status of its item when it is new: what the team sent itself waits for nobody.
    status: str = "new"


def is_whole(stored: Stored) -> bool:
    """Whether all bytes of the mail are there, and not its headers alone."""
    return not stored.sidecar.oversized and len(stored.raw) >= stored.sidecar.size


def publication(versions: Sequence[Version], raws: Sequence[str], *, reason: str | None = None) -> Publication:
    """The mail's best version, the one with the longest text, as it is published.

    *versions* in the order of the store; *raws* are all stored fingerprints; *reason* says why reading failed.
    """
    best = max(versions, key=lambda version: (is_whole(version.stored), len(version.result.reading.get("text", ""))))
    found = best.result.reading
    reason, flags, failed = _judgement(best, versions, reason)
    sent = any(version.stored.sidecar.own for version in versions)
    attachments = [
        {name: part.get(name) for name in ("n", "name", "type", "size", "inline")} for part in found["attachments"]
    ]
    own = found.get("message_id")
    machine = MACHINE | {
        "schema": SCHEMA,
        **{name: found[name] for name in ("subject", "from_email", "from_name", "kind", "preview")},
        **({"kind": "own"} if sent else {}),
        "to": list(found["to"])[:MOST_RECIPIENTS],
        "created_at": versions[0].stored.sidecar.arrived,
        "flags": flags,
        "reason": reason,
        "extracted_fields": found["fields"],
        "attachments": [
            {name: part[name] for name in ("n", "name", "type", "size")} for part in attachments if not part["inline"]
        ][:MOST_ATTACHMENTS],
    }
    key = identity.message_key(own) if own else ""
    references = tuple(identity.message_key(each) for each in found.get("references", ()))
    reading = {name: found[name] for name in READING} | {
        "attachments": attachments,
        "flags": flags,
        "reason": reason,
        "message_key": key,
        "reference_keys": references[:ANCESTORS],
        "schema": SCHEMA,
    }
    status = "done" if sent else "new"
    return Publication(
        machine, reading, best.result.attachments, tuple(raws), key, references, quarantined=failed, status=status
    )


def _judgement(best: Version, versions: Sequence[Version], reason: str | None) -> tuple[str | None, list[str], bool]:
    """Why a person should look at it, the flags, and whether it could not be read as it should."""
    flags = set(best.result.reading["flags"])
    failed, reason = reason is not None, reason or best.result.reading["reason"]
    if not is_whole(best.stored) and not best.stored.sidecar.oversized:
        failed, reason = True, HEADERS_ONLY
    if best.stored.sidecar.oversized:
        flags |= {"oversized"}
    elif failed:
        flags = (flags - {"oversized"}) | {"needs_review"}
    # What the team sent has other headers where it is filed than where a copy of it arrived: these are one version.
    whole = Counter(version.stored.sidecar.own for version in versions if is_whole(version.stored))
    if max(whole.values(), default=0) > 1:
        flags |= {"variant"}
    return reason, sorted(flags), failed


def bare(raw: bytes) -> Result:
    """What the identity's own scanner sees, when not even the headers could be read: ugly, but there."""
    values = {name: value.decode("latin-1")[:RAW_VALUE] for name, value in identity.scan(raw).items()}
    return Result(
        {
            "subject": values.get(b"subject", ""),
            "from_email": "",
            "from_name": values.get(b"from", ""),
            "to": [],
            "cc": [],
            "date": None,
            "message_id": values.get(b"message-id") or None,
            "references": [],
            "kind": "human",
            "flags": ["needs_review"],
            "reason": None,
            "text": "",
            "html": "",
            "preview": "",
            "fields": {},
            "evidence": {},
            "attachments": [],
        },
        [],
    )

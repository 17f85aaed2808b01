"""Builds publications from the results of reading children. Pure: the same mail gives the same bytes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.publishing.field_results import field_results
from worker.sandbox.process import ReadingResult
from workitems.intake import identity
from workitems.mailstore.sidecar import RawMail
from workitems.queue.item import MACHINE_DEFAULTS, SCHEMA_VERSION, Json
from workitems.queue.participants import NOBODY, Participants
from workitems.queue.store import ANCESTORS

#: The most recipients and attachments in the list view; the stored reading has all.
MAX_RECIPIENTS, MAX_ATTACHMENTS = 50, 50
MAX_REPLY_TO = 5

#: The fields that the stored reading copies from `worker.reading.Reading`.
READING_FIELDS = (
    "subject", "from_email", "from_name", "reply_to", "to", "cc", "date", "text", "regions", "forwarded", "html",
    "fields", "evidence", "missing", "due_field", "kind", "kind_reason", "bounce", "invitation",
    "has_one_sender",
)  # fmt: skip

#: What an item says about each file; `unread` only where it was not read, or not all of it; `path` only inside others.
PATH_SEPARATOR = " › "
FILE_FIELDS = ("n", "name", "type", "size")

#: Characters of a raw header value; it is shown when the mail could not be read.
MAX_RAW_VALUE = 300

HEADERS_ONLY = "the mailbox's server gave only the headers of this mail"


@dataclass(frozen=True, slots=True)
class ReceivingMailbox:
    """What is known of the mailbox: the server whose Authentication-Results are believed, and its own addresses."""

    authentication_server: str | None = None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadVersion:
    """One stored version of a mail and the result of reading it."""

    stored: RawMail
    result: ReadingResult


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published and stored for one mail. `message_id` and `references` are from `identity.message_key`."""

    machine_part: Json
    reading: dict[str, Any]
    attachments: list[bytes]
    fingerprints: tuple[str, ...]
    message_id: str
    references: tuple[str, ...]
    participants: Participants = NOBODY
    #: Whether it says that no person wrote it (RFC 3834).
    is_automatic: bool = False
    #: Whether it could not be read as it should.
    is_quarantined: bool = False
    #: The status of a new item: own mail needs no work, so it is done.
    status: str = "new"
    #: Name of an expected field → its result; empty for mail that no person wrote, or that was not read as it should.
    field_results: dict[str, str] = field(default_factory=dict)


def describe_file(part: Json, *names: str) -> Json:
    """Return the values of *names*, its path if it is inside another file, and why it was not read, if it was not."""
    unread, path = part.get("unread"), part.get("path")
    described = {name: part.get(name) for name in names}
    if path:
        described["path"] = path if isinstance(path, str) else PATH_SEPARATOR.join([*path, part["name"]])
    return described | ({"unread": unread} if unread else {})


def is_whole(stored: RawMail) -> bool:
    """Return whether all bytes of the mail are stored, not only its headers."""
    return not stored.sidecar.oversized and len(stored.raw) >= stored.sidecar.size


def build_publication(
    versions: Sequence[ReadVersion],
    fingerprints: Sequence[str],
    *,
    reason: str | None = None,
    mailbox: ReceivingMailbox | None = None,
    expected_fields: Sequence[str] = (),
) -> Publication:
    """Build the publication from the best version of the mail: the team's own, a whole one, with the longest text.

    *versions* are in the order of the store; *fingerprints* are all stored ones; *reason* says why reading failed.
    *expected_fields*: the names of the fields that the rules of the mailbox look for.
    """
    best = max(versions, key=_worth)
    found = best.result.reading
    reason, flags, failed = _assess(best, versions, reason)
    sent = any(version.stored.sidecar.own for version in versions)
    kind = {"kind": "own", "kind_reason": "in the sent folder"} if sent else {}
    attachments = [describe_file(part, *FILE_FIELDS, "inline") for part in found["attachments"]]
    own = found.get("message_id")
    mailbox = mailbox or ReceivingMailbox()
    authentication = _authentication(best, mailbox.authentication_server)
    machine = MACHINE_DEFAULTS | {
        "schema": SCHEMA_VERSION,
        **{name: found[name] for name in ("subject", "from_email", "from_name", "preview")},
        "kind": kind.get("kind", found["kind"]),
        "to": list(found["to"])[:MAX_RECIPIENTS],
        "reply_to": list(found["reply_to"])[:MAX_REPLY_TO],
        "authentication": authentication,
        "created_at": versions[0].stored.sidecar.arrived,
        "flags": flags,
        "reason": reason,
        "extracted_fields": found["fields"],
        "attachments": [describe_file(part, *FILE_FIELDS) for part in attachments if not part["inline"]][
            :MAX_ATTACHMENTS
        ],
    }
    key = identity.message_key(own) if own else ""
    references = tuple(identity.message_key(each) for each in found.get("references", ()) if is_link(each))
    reading = (
        {name: found[name] for name in READING_FIELDS}
        | kind
        | {
            "attachments": attachments,
            "flags": flags,
            "reason": reason,
            "authentication": authentication,
            "message_key": key,
            "reference_keys": references[:ANCESTORS],
            "schema": SCHEMA_VERSION,
        }
    )
    status = "done" if sent else "new"
    counts = machine["kind"] == "human" and not failed and is_whole(best.stored)
    return Publication(
        machine,
        reading,
        best.result.attachments,
        tuple(fingerprints),
        key,
        references,
        _participants(best, mailbox.addresses, authentication, is_own=sent),
        is_automatic=found["is_automatic"],
        is_quarantined=failed,
        status=status,
        field_results=field_results(found, expected_fields) if counts else {},
    )


def _worth(version: ReadVersion) -> tuple[bool, bool, int]:
    """Return by what versions are compared. Who received a mail of the team can send another one with its headers."""
    stored = version.stored
    return stored.sidecar.own, is_whole(stored), len(version.result.reading.get("text", ""))


def is_link(message_id: str) -> bool:
    """Return whether other mail can name this Message-ID: programs also write words such as `<yes>` there."""
    local, at, domain = message_id.strip("<> ").partition("@")
    return bool(local and at and domain)


def _participants(
    version: ReadVersion, ours: Sequence[str], authentication: dict[str, str] | None, *, is_own: bool
) -> Participants:
    found, sidecar = version.result.reading, version.stored.sidecar
    return Participants.of(
        found["from_email"],
        [*found["to"], *found["cc"]],
        ours=ours,
        delivered_to=[*sidecar.recipients, *found["delivered_to"]],
        hidden=found["bcc"],
        is_own=is_own,
        is_forged=is_forged(authentication) or not found["has_one_sender"],
    )


def is_forged(authentication: dict[str, str] | None) -> bool:
    """Return whether the mail server says that the owner of the sender's domain did not send it."""
    return (authentication or {}).get("dmarc") == "fail"


def _authentication(version: ReadVersion, server: str | None) -> dict[str, str] | None:
    """Return the results of the topmost field of *server*, for mail that came through the mailbox's own mail server.

    A program that posts mail can write any field, so that of posted mail is never believed.
    """
    if server is None or version.stored.sidecar.source != "imap":
        return None
    fields = version.result.reading["authentication"]
    return next((field["results"] for field in fields if field["server"] == server.lower()), None)


def _assess(
    best: ReadVersion, versions: Sequence[ReadVersion], reason: str | None
) -> tuple[str | None, list[str], bool]:
    """Return why a person should look at it, the flags, and whether it could not be read as it should."""
    flags = set(best.result.reading["flags"])
    failed, reason = reason is not None, reason or best.result.reading["reason"]
    if not is_whole(best.stored) and not best.stored.sidecar.oversized:
        failed, reason = True, HEADERS_ONLY
    if best.stored.sidecar.oversized:
        flags |= {"oversized"}
    elif failed:
        flags = (flags - {"oversized"}) | {"needs_review"}
    # Own mail in the Sent folder and a copy that arrived have different headers: they count as one version.
    whole = Counter(version.stored.sidecar.own for version in versions if is_whole(version.stored))
    if max(whole.values(), default=0) > 1:
        flags |= {"variant"}
    return reason, sorted(flags), failed


def scan_result(raw: bytes) -> ReadingResult:
    """Return the result of the simple header scanner, for mail whose headers could not be read either."""
    values = {name: value.decode("latin-1")[:MAX_RAW_VALUE] for name, value in identity.scan_headers(raw).items()}
    return ReadingResult(
        {
            "subject": values.get(b"subject", ""),
            "from_email": "",
            "from_name": values.get(b"from", ""),
            "reply_to": [],
            "delivered_to": [],
            "to": [],
            "cc": [],
            "bcc": [],
            "date": None,
            "message_id": values.get(b"message-id") or None,
            "references": [],
            "authentication": [],
            "kind": "human",
            "kind_reason": "the headers could not be read",
            "is_automatic": False,
            "has_one_sender": False,
            "bounce": None,
            "invitation": None,
            "flags": ["needs_review"],
            "reason": None,
            "text": "",
            "regions": [],
            "forwarded": None,
            "html": "",
            "preview": "",
            "fields": {},
            "evidence": {},
            "missing": [],
            "due_field": None,
            "attachments": [],
        },
        [],
    )

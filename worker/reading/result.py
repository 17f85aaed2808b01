"""What reading a mail gives."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file of a mail. `n` counts from 1; `name` is safe to show and to save; `type` is `main/sub` in lower case."""

    n: int
    name: str
    type: str
    content: bytes
    #: Shown inside the HTML (referenced by `cid:`), so not listed as a file.
    inline: bool
    content_id: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One mail, read. The same bytes and rules give an equal Reading."""

    subject: str
    from_email: str
    from_name: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    #: Date header as `YYYY-MM-DDTHH:MM:SSZ`, or None. The sender wrote it: never trusted for order.
    date: str | None
    message_id: str | None
    #: Ids of In-Reply-To and References, nearest parent first, at most 50, each `<…>`.
    references: tuple[str, ...]
    #: human, own, auto_reply, bounce, list or notification.
    kind: str
    #: Sorted; of attachment_unread, charset_guessed, defects, missing_required, needs_review, no_text, oversized,
    #: truncated.
    flags: tuple[str, ...]
    #: Why a person should look at it, as one sentence without mail content.
    reason: str | None
    #: Frozen text that a person reads and that evidence offsets point into.
    text: str
    #: Sanitized HTML with embedded images, "" when there was none.
    html: str
    #: First 200 characters of the new text on one line.
    preview: str
    #: Name of the field → normal form.
    fields: dict[str, Any]
    #: Name → {raw, source, start, end, rule, confidence, alternatives}; offsets in UTF-16 code units of the source.
    evidence: dict[str, dict[str, Any]]
    attachments: tuple[Attachment, ...]

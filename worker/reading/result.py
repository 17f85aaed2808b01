"""The result of reading a mail."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MailAttachment:
    """One file of a mail. `n` counts from 1; `name` is safe to show and to save; `type` is `main/sub` in lower case."""

    n: int
    name: str
    type: str
    content: bytes
    #: Shown inside the HTML (referenced by `cid:`), so not listed as a file.
    inline: bool
    content_id: str | None
    #: Why it, or the rest of it, was not read, as half a sentence without words of the file; None when it was.
    unread: str | None = None
    #: Names of the files that it is in, outermost first.
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """The reading of one mail. The same bytes and rules give an equal Reading."""

    subject: str
    from_email: str
    from_name: str
    #: Addresses of Reply-To.
    reply_to: tuple[str, ...]
    #: The mailbox's own addresses, as mail servers wrote them into Delivered-To and the like.
    delivered_to: tuple[str, ...]
    to: tuple[str, ...]
    cc: tuple[str, ...]
    #: Recipients that mail in the sent folder still names.
    bcc: tuple[str, ...]
    #: Date header as `YYYY-MM-DDTHH:MM:SSZ`, or None. The sender wrote it: never trusted for order.
    date: str | None
    message_id: str | None
    #: Ids of In-Reply-To and References, nearest parent first, at most 50, each `<…>`.
    references: tuple[str, ...]
    #: {server, results: {method: result}} of each Authentication-Results field; anybody can write one.
    authentication: tuple[dict[str, Any], ...]
    #: One of `worker.reading.kinds.classification.KINDS`, and the sign that decided it.
    kind: str
    kind_reason: str
    #: Whether it says that no person wrote it: Auto-Submitted other than `no` (RFC 3834).
    is_automatic: bool
    #: Whether its From has one address, which all programs read alike.
    has_one_sender: bool
    #: A bounce: {recipients: [{address, action, status, diagnostic}], original: {message_id, subject}}.
    bounce: dict[str, Any] | None
    #: A calendar's event, as `worker.reading.attachments.calendar_file.read_invitation` returns it.
    invitation: dict[str, Any] | None
    #: Sorted; of attachment_unread, charset_guessed, defects, encrypted, misleading_link, missing_required,
    #: needs_review, no_text, oversized, truncated.
    flags: tuple[str, ...]
    #: Why a person should look at it, as one sentence without mail content.
    reason: str | None
    #: Frozen text that a person reads and that evidence offsets point into.
    text: str
    #: {kind, start, end} in order, without gaps; offsets in UTF-16 code units of the text. The kind is new, quoted,
    #: forwarded, signature or disclaimer.
    regions: list[dict[str, Any]]
    #: from, from_name, from_email, date (as written) and subject of the first mail that is forwarded in the text.
    forwarded: dict[str, str] | None
    #: Sanitized HTML with embedded images and with marks at misleading links, "" when there was none.
    html: str
    #: First 200 characters of the new text on one line.
    preview: str
    #: Name of the field → normal form.
    fields: dict[str, Any]
    #: Name → {raw, source, start, end, rule, confidence, alternatives}; offsets in UTF-16 code units of the source.
    evidence: dict[str, dict[str, Any]]
    #: {name, why, readings} of each field without a value: `absent`, `ambiguous` or `wrong_type`, with the readings in
    #: doubt. A general field is here only if the mail has its label.
    missing: tuple[dict[str, Any], ...]
    #: The field whose date is when the submission is due, by its rule; None without such a rule.
    due_field: str | None
    attachments: tuple[MailAttachment, ...]

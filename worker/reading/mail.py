"""Reads a whole mail: headers, text, HTML, attachments, fields, and flags for a person."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from worker.reading.attachments import calendar_file
from worker.reading.attachments.containers.opening import is_container, open_containers
from worker.reading.attachments.document_text import FileWatch, extract_texts, has_text, unwatched
from worker.reading.attachments.file_list import list_attachments
from worker.reading.attachments.library_guard import NOT_REACHED
from worker.reading.fields.extract import Extraction, extract_fields
from worker.reading.fields.findings import FieldSource
from worker.reading.fields.rules import GENERAL_RULES, FieldRule
from worker.reading.kinds import bounces
from worker.reading.kinds.classification import Kind, classify, is_automatic
from worker.reading.limits import ReadingLimits
from worker.reading.mime import headers as header
from worker.reading.mime.addresses import has_one_sender, parse_addresses
from worker.reading.mime.authentication import parse_authentication_results
from worker.reading.mime.headers import Headers
from worker.reading.mime.parts import Part, parse_mime, split_headers
from worker.reading.mime.signed_data import open_signed_data
from worker.reading.problems import Problems
from worker.reading.result import MailAttachment, Reading
from worker.reading.text.body import MailBody, read_body, sort_parts
from worker.reading.text.link_marks import mark_links
from worker.reading.text.quotes import Regions, forwarded_by_mail, split_regions

#: Characters of the preview.
PREVIEW = 200
#: Characters of a subject; longer ones are truncated.
MAX_SUBJECT = 1_000
#: Fields in which mail servers write the address that they deliver to.
_DELIVERED = ("delivered-to", "x-original-to", "envelope-to", "x-delivered-to")
#: The regions that are searched for fields first: all but what was quoted.
OWN_WORDS = ("new", "forwarded", "signature", "disclaimer")
#: The first line of a text that is encrypted (RFC 9580 §6.2).
_PGP = "-----BEGIN PGP MESSAGE-----"
_RECIPIENTS = ReadingLimits().recipients


def read(raw: bytes, rules: Sequence[FieldRule] = GENERAL_RULES, *, limits: ReadingLimits = ReadingLimits()) -> Reading:  # noqa: B008 - frozen
    """Read all of `raw`, any bytes at all; above `limits.mail_bytes` only its headers."""
    message = read_message(raw, rules, limits=limits)
    return read_files(message) if message.has_files_to_read else message.reading


@dataclass(frozen=True, slots=True)
class Message:
    """A mail without what is inside its files. Its reading stands if that cannot be read."""

    reading: Reading
    rules: Sequence[FieldRule]
    limits: ReadingLimits
    regions: Regions
    problems: Problems

    @property
    def has_files_to_read(self) -> bool:
        """Whether `read_files` may find more."""
        return any(file.unread == NOT_REACHED for file in self.reading.attachments)


def read_message(
    raw: bytes,
    rules: Sequence[FieldRule] = GENERAL_RULES,
    *,
    limits: ReadingLimits = ReadingLimits(),  # noqa: B008 - frozen
) -> Message:
    """Read `raw` without what is inside its files, which are listed. Those that `read_files` opens count as unread."""
    if len(raw) > limits.mail_bytes:
        return Message(read_headers(raw), rules, limits, Regions(()), Problems())
    structure = parse_mime(raw, limits)
    encrypted = open_signed_data(structure, limits)
    envelope = _envelope(structure.root)
    bodies = sort_parts(structure.root)
    body = read_body(bodies, limits)
    kind, about = _read_kind(structure.root, bodies.files, body, envelope)
    page = body.document.source if body.document is not None else ""
    files = [_not_reached(file) for file in list_attachments(bodies.files, page)]
    html, misleading_links = mark_links(_html(body, files))
    found = split_regions(body.text, envelope["subject"])
    extraction = _extract(_sources(body.text, found, envelope["subject"], {}), rules, envelope["date"])
    problems = Problems(
        truncated=structure.truncated or body.truncated,
        defects=structure.is_broken,
        charset_guessed=body.guessed,
        attachment_unread=any(file.unread for file in files),
        encrypted=encrypted or _PGP in body.text,
        no_text=not body.text,
        misleading_link=misleading_links > 0,
        missing=_missing(rules, extraction.fields),
        is_human=kind.name == "human",
    )
    reading = Reading(
        **envelope,
        **about,
        kind=kind.name,
        kind_reason=kind.reason,
        flags=problems.flags(),
        reason=problems.reason(),
        text=body.text,
        regions=found.publish(body.text),
        forwarded=_forwarded(found, files if kind.name == "human" else []),
        html=html,
        preview=_preview(body.text, found),
        fields=extraction.fields,
        evidence=extraction.evidence,
        missing=extraction.missing,
        due_field=next((rule.name for rule in rules if rule.due), None),
        attachments=tuple(files),
    )
    return Message(reading, rules, limits, found, problems)


def read_files(message: Message, watch: FileWatch = unwatched) -> Reading:
    """Read what is inside the files of a mail, and the fields that only they have."""
    reading, limits, rules = message.reading, message.limits, message.rules
    listed = [replace(file, unread=None) if file.unread == NOT_REACHED else file for file in reading.attachments]
    files, origins = open_containers(listed, limits, watch)
    found = extract_texts(files, limits, lambda n: watch(origins[n - 1]))
    files = [replace(file, unread=found.unread.get(file.n, file.unread)) for file in files]
    extraction = Extraction(reading.fields, reading.evidence, reading.missing)
    if found.texts:
        sources = _sources(reading.text, message.regions, reading.subject, found.texts)
        extraction = _extract(sources, rules, reading.date)
    problems = replace(
        message.problems,
        attachment_unread=any(file.unread for file in files),
        missing=_missing(rules, extraction.fields),
    )
    return replace(
        reading,
        flags=problems.flags(),
        reason=problems.reason(),
        fields=extraction.fields,
        evidence=extraction.evidence,
        missing=extraction.missing,
        attachments=tuple(files),
    )


def _extract(sources: list[FieldSource], rules: Sequence[FieldRule], sent: str | None) -> Extraction:
    return extract_fields(sources, rules, date.fromisoformat(sent[:10]) if sent else None)


def _not_reached(file: MailAttachment) -> MailAttachment:
    return replace(file, unread=NOT_REACHED) if has_text(file) or is_container(file) else file


def _missing(rules: Sequence[FieldRule], fields: dict[str, Any]) -> tuple[str, ...]:
    return tuple(rule.name for rule in rules if rule.required and rule.name not in fields)


def read_headers(raw: bytes) -> Reading:
    """Read only the headers, flagged `needs_review` and `oversized`: for mail that is too large or cannot be read."""
    limits = ReadingLimits()
    root = split_headers(raw[: 2 * limits.header_bytes], limits)
    envelope = _envelope(root)
    kind = classify(root, envelope["from_email"], envelope["subject"])
    return Reading(
        **envelope,
        kind=kind.name,
        kind_reason=kind.reason,
        bounce=None,
        invitation=None,
        flags=("needs_review", "oversized"),
        reason="Only the headers of this mail were read; open the original to see the rest.",
        text="",
        regions=[],
        forwarded=None,
        html="",
        preview="",
        fields={},
        evidence={},
        missing=(),
        due_field=None,
        attachments=(),
    )


def _envelope(root: Part) -> dict[str, Any]:
    headers = root.headers
    subject = headers.text("subject")[:MAX_SUBJECT]
    name, address = _sender(headers)
    return {
        "subject": subject,
        "from_email": address,
        "from_name": name,
        "reply_to": _recipients(headers, "reply-to"),
        "delivered_to": tuple(each for name in _DELIVERED for each in _recipients(headers, name)[:5]),
        "to": _recipients(headers, "to"),
        "cc": _recipients(headers, "cc"),
        "bcc": _recipients(headers, "bcc"),
        "date": header.parse_date(headers.raw("date")),
        "message_id": header.parse_message_id(headers.raw("message-id")),
        "references": header.parse_references(headers),
        "authentication": parse_authentication_results(headers),
        "is_automatic": is_automatic(root),
        "has_one_sender": has_one_sender(headers),
    }


def _read_kind(root: Part, files: list[Part], body: MailBody, envelope: dict[str, Any]) -> tuple[Kind, dict[str, Any]]:
    """Return the kind, with the bounce or the invitation that the mail is; an invitation is the text of empty mail."""
    reported = bounces.read_status_parts(root)
    kind = classify(
        root,
        envelope["from_email"],
        envelope["subject"],
        text=body.text,
        method=calendar_file.find_method(files),
        is_delivered=bounces.is_delivered(reported),
    )
    is_reported = kind.name == "bounce" or (kind.name == "receipt" and bool(reported))
    bounce = bounces.read_bounce(root, body.text, reported).encode() if is_reported else None
    invitation = calendar_file.read_invitation(files)
    if invitation is not None and not body.text:
        body.text = calendar_file.describe(invitation)
    return kind, {"bounce": bounce, "invitation": invitation}


def _sender(headers: Headers) -> tuple[str, str]:
    for field in ("from", "sender", "return-path"):
        for name, address in parse_addresses(headers.raw(field), 20, headers.charset):
            if address or name:
                return name, address
    return "", ""


def _recipients(headers: Headers, field: str) -> tuple[str, ...]:
    found = parse_addresses(headers.raw(field), _RECIPIENTS, headers.charset)
    return tuple(dict.fromkeys(address for _, address in found if address))


def _sources(text: str, found: Regions, subject: str, texts: dict[int, str]) -> list[FieldSource]:
    """Return the texts in which fields are searched, best first.

    They are new text, answers below quoted questions, the subject, attachments and quoted text.
    """
    new, quoted = found.spans(*OWN_WORDS), found.spans("quoted")
    opened = [
        FieldSource(f"attachment:{n}", content, split_regions(content).spans(*OWN_WORDS), 0.85)
        for n, content in texts.items()
    ]
    answers = found.answers(text)
    return [
        FieldSource("text", text, new, 1.0, is_new=True),
        *([FieldSource("text", text, answers, 0.95)] if answers else []),
        FieldSource("subject", subject, [(0, len(subject))], 0.95, is_new=True),
        *opened,
        FieldSource("text", text, quoted, 0.8),
    ]


def _forwarded(found: Regions, files: list[MailAttachment]) -> dict[str, str] | None:
    """Return what the mail says that is forwarded in the text, or else as the first attached mail; None for neither."""
    if found.forwarded is not None:
        return found.forwarded.encode()
    attached = next((file for file in files if file.type == "message/rfc822"), None)
    headers = forwarded_by_mail(attached.content).encode() if attached else {}
    return headers if any(headers.values()) else None


def _html(body: MailBody, files: list[MailAttachment]) -> str:
    if body.document is None:
        return ""
    return body.document.sanitize({file.content_id: (file.type, file.content) for file in files if file.content_id})


def _preview(text: str, found: Regions) -> str:
    """Return the beginning of the new text, or of all text when nothing is new."""
    spans = [text[start:end] for start, end in found.spans("new", "forwarded")]
    words = " ".join(" ".join(spans)[: 10 * PREVIEW].split()) or " ".join(text[: 10 * PREVIEW].split())
    return words[:PREVIEW].rstrip()

"""A mail read as a whole: headers, text, HTML, attachments, fields, and what a person should know about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker.reading import headers as header
from worker.reading.addresses import addresses
from worker.reading.attachments import attachments
from worker.reading.body import Body, read_body, sort_parts
from worker.reading.fields.extract import Source, extract
from worker.reading.headers import Headers
from worker.reading.kinds import kind
from worker.reading.limits import Limits
from worker.reading.message import Part, parse, split_headers
from worker.reading.opened import open_texts
from worker.reading.quotes import Region, regions
from worker.reading.result import Attachment, Reading
from worker.reading.rules import GENERAL, FieldRule

#: Characters of the preview.
PREVIEW = 200
#: Characters of a subject; longer ones are cut.
MAX_SUBJECT = 1_000
_RECIPIENTS = Limits().recipients


def read(raw: bytes, rules: Sequence[FieldRule] = GENERAL, *, limit: Limits = Limits()) -> Reading:  # noqa: B008 - frozen
    """Everything that can be read of `raw`, whatever bytes it is; beyond `limit.size`, its headers alone."""
    if len(raw) > limit.size:
        return read_headers(raw)
    structure = parse(raw, limit)
    envelope = _envelope(structure.root)
    bodies = sort_parts(structure.root)
    body = read_body(bodies, limit)
    page = body.document.source if body.document is not None else ""
    files, opened = attachments(bodies.files, page, limit)
    texts, readable = open_texts(files, limit)
    found = regions(body.text, envelope["subject"])
    fields, evidence = extract(_sources(body.text, found, envelope["subject"], texts), rules)
    findings = _Findings(
        truncated=structure.truncated or body.truncated,
        defects=structure.broken,
        charset_guessed=body.guessed,
        attachment_unread=not (opened and readable),
        no_text=not body.text,
        missing=tuple(rule.name for rule in rules if rule.required and rule.name not in fields),
    )
    return Reading(
        **envelope,
        flags=findings.flags(),
        reason=findings.reason(),
        text=body.text,
        html=_html(body, files),
        preview=_preview(body.text, found),
        fields=fields,
        evidence=evidence,
        attachments=tuple(files),
    )


def read_headers(raw: bytes) -> Reading:
    """What the headers give, flagged `needs_review` and `oversized`: for mail that is too large or cannot be read."""
    limits = Limits()
    root = split_headers(raw[: 2 * limits.header_bytes], limits)
    return Reading(
        **_envelope(root),
        flags=("needs_review", "oversized"),
        reason="Only the headers of this mail were read; open the original to see the rest.",
        text="",
        html="",
        preview="",
        fields={},
        evidence={},
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
        "to": _recipients(headers, "to"),
        "cc": _recipients(headers, "cc"),
        "date": header.date(headers.raw("date")),
        "message_id": header.message_id(headers.raw("message-id")),
        "references": header.references(headers),
        "kind": kind(root, address, subject),
    }


def _sender(headers: Headers) -> tuple[str, str]:
    for field in ("from", "sender", "return-path"):
        for name, address in addresses(headers.raw(field), 20):
            if address or name:
                return name, address
    return "", ""


def _recipients(headers: Headers, field: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for _, address in addresses(headers.raw(field), _RECIPIENTS) if address))


def _sources(text: str, found: list[Region], subject: str, texts: dict[int, str]) -> list[Source]:
    """Where fields are looked for, the best first: new text, subject, attachments, quoted text."""
    new = _new_spans(found)
    quoted = [(region.start, region.end) for region in found if region.kind == "quoted"]
    opened = [Source(f"attachment:{n}", content, _new_spans(regions(content)), 0.85) for n, content in texts.items()]
    return [
        Source("text", text, new, 1.0),
        Source("subject", subject, [(0, len(subject))], 0.95),
        *opened,
        Source("text", text, quoted, 0.8),
    ]


def _new_spans(found: list[Region]) -> list[tuple[int, int]]:
    return [(region.start, region.end) for region in found if region.kind == "new"]


def _html(body: Body, files: list[Attachment]) -> str:
    if body.document is None:
        return ""
    return body.document.sanitized({file.content_id: (file.type, file.content) for file in files if file.content_id})


def _preview(text: str, found: list[Region]) -> str:
    """The beginning of the new text, or of all of it when nothing is new."""
    spans = [text[region.start : region.end] for region in found if region.kind == "new"]
    words = " ".join(" ".join(spans)[: 10 * PREVIEW].split()) or " ".join(text[: 10 * PREVIEW].split())
    return words[:PREVIEW].rstrip()


@dataclass(frozen=True, slots=True)
class _Findings:
    """What reading ran into; each becomes a flag, some need a person."""

    truncated: bool
    defects: bool
    charset_guessed: bool
    attachment_unread: bool
    no_text: bool
    missing: tuple[str, ...]

    def flags(self) -> tuple[str, ...]:
        named = ("truncated", "defects", "charset_guessed", "attachment_unread", "no_text")
        out = [name for name in named if getattr(self, name)]
        out += ["missing_required"] * bool(self.missing) + ["needs_review"] * (self.reason() is not None)
        return tuple(sorted(out))

    def reason(self) -> str | None:
        if self.truncated:
            return "The mail is larger or deeper than what is read; a part of it was left out."
        if self.missing:
            return f"Required fields were not found: {', '.join(self.missing)}."
        return None

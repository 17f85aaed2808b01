"""Postmark's inbound webhook: JSON of parts; with 'Include raw email content' on, the raw mail in `RawEmail`.

https://postmarkapp.com/developer/webhooks/inbound-webhook
"""

import json
from typing import Any

from server.http.json_body import MAX_JSON_MARKS, count_json_marks
from server.intake.header_fields import format_mailbox
from server.intake.mime_writer import MimeAttachment, TextPart, WriteBytes, write_mail
from server.intake.posted_files import file_in_base64
from server.intake.sources import header_block
from server.intake.sources.envelope import PostedEnvelope, clean_content_id, content_type, filename, make_envelope
from workitems.base.errors import InvalidChangeError

#: Attachments of a mail at most.
_MAX_FILES = 1_000

#: Fields of the JSON that are headers, by the name of the header.
_HEADERS = {"Date": "Date", "Subject": "Subject", "To": "To", "Cc": "Cc", "ReplyTo": "Reply-To"}


def convert(raw: bytes, write: WriteBytes) -> PostedEnvelope:
    """Write the mail in the body *raw*. Raise InvalidChangeError if it is no JSON object with a mail in it."""
    post = _object(raw)
    if isinstance(post.get("RawEmail"), str) and post["RawEmail"]:
        write(header_block.octets(post["RawEmail"]))
    else:
        _write_parts(post, write)
    pairs = header_block.pairs_from_json(post.get("Headers"))
    sender = (header_block.first(pairs, b"return-path") or b"").decode("utf-8", "replace").strip("<> ")
    return make_envelope(sender, [_text(post, "OriginalRecipient")])


def _object(raw: bytes) -> dict[str, Any]:
    if count_json_marks(raw) > MAX_JSON_MARKS:
        raise InvalidChangeError(
            f"the body has too many values; at most {MAX_JSON_MARKS:,} brackets, commas and quotes are accepted"
        )
    try:
        post = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidChangeError("the body is not valid JSON in UTF-8 (RFC 8259)") from None
    if not isinstance(post, dict) or not post.keys() & {"From", "FromFull", "Headers", "TextBody", "HtmlBody"}:
        raise InvalidChangeError("the body is not a JSON object of Postmark's inbound webhook")
    return post


def _write_parts(post: dict[str, Any], write: WriteBytes) -> None:
    pairs = header_block.pairs_from_json(post.get("Headers"))
    given = {name.lower() for name, _ in pairs}
    own = [("From", _sender(post)), *((header, _text(post, name)) for name, header in _HEADERS.items())]
    pairs += [(n.encode(), header_block.octets(value)) for n, value in own if value and n.lower().encode() not in given]
    texts = [TextPart(subtype, _octets(_text(post, name)))
             for subtype, name in (("plain", "TextBody"), ("html", "HtmlBody")) if _text(post, name)]  # fmt: skip
    write_mail(header_block.format_head(pairs), texts, _files(post), write)


def _sender(post: dict[str, Any]) -> str:
    """Return `From` as it is if it has a name, else composed from `FromFull`."""
    given, full = _text(post, "From"), post.get("FromFull")
    if "<" in given or not isinstance(full, dict):
        return given
    return format_mailbox(_text(full, "Name"), _text(full, "Email") or given, len("From: "))


def _files(post: dict[str, Any]) -> list[MimeAttachment]:
    """Return the files; an entry of another form, or without content, is one that was not read."""
    entries = post.get("Attachments") or []
    found = entries if isinstance(entries, list) else [entries]
    if len(found) > _MAX_FILES:
        raise InvalidChangeError(f"at most {_MAX_FILES:,} attachments are accepted", "Attachments")
    return [
        file_in_base64(
            filename(_text(entry, "Name")),
            content_type(_text(entry, "ContentType")),
            entry.get("Content"),
            clean_content_id(_text(entry, "ContentID")),
        )
        for entry in (each if isinstance(each, dict) else {} for each in found)
    ]


def _octets(value: str) -> Any:
    octets = header_block.octets(value)
    return lambda: [octets]


def _text(post: dict[str, Any], name: str) -> str:
    value = post.get(name)
    return value if isinstance(value, str) else ""

"""SendGrid Inbound Parse: a form of parts, or the raw mail in `email` if 'POST the raw, full MIME message' is on.

https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook
"""

import base64
import json
from typing import Any

from server.intake.mime_writer import WriteBytes, write_mail
from server.intake.sources import header_block
from server.intake.sources.envelope import (
    PostedEnvelope,
    announced_count,
    charset,
    form_files,
    make_envelope,
    missing_files,
    require_any,
    text_parts,
)
from server.intake.sources.form import Form

#: Bytes of the JSON in `charsets`, `envelope` and `attachment-info` at most.
_MAX_JSON = 1024 * 1024


def convert(form: Form, write: WriteBytes) -> PostedEnvelope:
    """Write the mail in *form*; return its envelope."""
    require_any(form, "email", "headers", "text", "html", "from")
    raw = form.field("email")
    if raw is not None:
        for piece in form.octets(raw):
            write(piece)
    else:
        _write_parts(form, write)
    envelope = _object(form, "envelope")
    to = envelope.get("to")
    recipients = [one for one in to if isinstance(one, str)] if isinstance(to, list) else []
    return make_envelope(str(envelope.get("from") or ""), recipients)


def _write_parts(form: Form, write: WriteBytes) -> None:
    charsets = {name: value for name, value in _object(form, "charsets").items() if isinstance(value, str)}
    pairs = header_block.parse_block(form.value("headers", most=header_block.MAX_HEADERS))
    given = {name.lower() for name, _ in pairs}
    for name in ("from", "to", "cc", "subject"):
        value = form.value(name, most=10_000)
        if value and name.encode() not in given:
            pairs.append((name.capitalize().encode(), _field(value, charsets.get(name, "utf-8"))))
    texts = text_parts(form, "text", "plain", charsets.get("text", "utf-8"))
    texts += text_parts(form, "html", "html", charsets.get("html", "utf-8"))
    info = {field: about for field, about in _object(form, "attachment-info").items() if isinstance(about, dict)}
    files = form_files(form, {field: _text(about, "content-id") for field, about in info.items()})
    announced = [(_text(about, "filename") or _text(about, "name"), _text(about, "type")) for about in info.values()]
    files += missing_files(files, announced, announced_count(form, "attachments"))
    write_mail(header_block.format_head(pairs), texts, files, write)


def _field(value: bytes, declared: str) -> bytes:
    """Return a header's value, as one encoded-word if it is not UTF-8 (RFC 2047), which the reading child decodes."""
    if (value.isascii() and b"\x1b" not in value) or declared.lower() in ("utf-8", "utf8"):
        return value
    return b"=?" + charset(declared).encode() + b"?b?" + base64.b64encode(value) + b"?="


def _text(about: dict[str, Any], name: str) -> str:
    found = about.get(name)
    return found if isinstance(found, str) else ""


def _object(form: Form, name: str) -> dict[str, Any]:
    """Return the JSON object in a field; {} if it is none, since odd mail is accepted too."""
    try:
        found = json.loads(form.value(name, most=_MAX_JSON))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

"""SendGrid Inbound Parse: a form of parts, or the raw mail in `email` where 'POST the raw, full MIME message' is on.

https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook
"""

import base64
import json
from typing import Any

from server.compose import Write, write_mail
from server.sources import head
from server.sources.form import Form
from server.sources.posted import Posted, charset, envelope, expect, file, text

#: Bytes of the JSON in `charsets`, `envelope` and `attachment-info`.
_LONGEST = 1024 * 1024


def write(form: Form, write: Write) -> Posted:
    """Write the mail that *form* holds."""
    expect(form, "email", "headers", "text", "html", "from")
    raw = form.field("email")
    if raw is not None:
        for piece in form.octets(raw):
            write(piece)
    else:
        _write_parts(form, write)
    told = _object(form, "envelope")
    to = told.get("to")
    recipients = [one for one in to if isinstance(one, str)] if isinstance(to, list) else []
    return envelope(str(told.get("from") or ""), recipients)


def _write_parts(form: Form, write: Write) -> None:
    charsets = {name: value for name, value in _object(form, "charsets").items() if isinstance(value, str)}
    pairs = head.block(form.value("headers", most=head.LONGEST))
    given = {name.lower() for name, _ in pairs}
    for name in ("from", "to", "cc", "subject"):
        value = form.value(name, most=10_000)
        if value and name.encode() not in given:
            pairs.append((name.capitalize().encode(), _field(value, charsets.get(name, "utf-8"))))
    texts = text(form, "text", "plain", charsets.get("text", "utf-8"))
    texts += text(form, "html", "html", charsets.get("html", "utf-8"))
    info = _object(form, "attachment-info")
    files = [
        file(form, field, _content_id(info.get(field.name))) for field in form.fields if field.filename is not None
    ]
    write_mail(head.head(pairs), texts, files, write)


def _field(value: bytes, declared: str) -> bytes:
    """A header's value in its charset, as one encoded-word where it must be (RFC 2047): the reader decodes it."""
    if (value.isascii() and b"\x1b" not in value) or declared.lower() in ("utf-8", "utf8"):
        return value
    return b"=?" + charset(declared).encode() + b"?b?" + base64.b64encode(value) + b"?="


def _content_id(info: Any) -> str:
    found = info.get("content-id") if isinstance(info, dict) else None
    return found if isinstance(found, str) else ""


def _object(form: Form, name: str) -> dict[str, Any]:
    """The JSON object in a field; {} for what is none: an odd mail is taken."""
    try:
        found = json.loads(form.value(name, most=_LONGEST))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

"""Mailgun Routes: a form of parts, or the raw mail in `body-mime` if the route's address ends in `mime`.

https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store
"""

import hashlib
import hmac
import json
from typing import Any

from server.intake.mime_writer import WriteBytes, write_mail
from server.intake.sources import header_block
from server.intake.sources.envelope import (
    PostedEnvelope,
    announced_count,
    form_files,
    make_envelope,
    missing_files,
    require_any,
    text_parts,
)
from server.intake.sources.form import Form

#: Bytes of `message-headers`, of `content-id-map` and of `attachments` at most.
_MAX_JSON = 1024 * 1024


def convert(form: Form, write: WriteBytes) -> PostedEnvelope:
    """Write the mail in *form*; return its envelope, with the signature in `proof`."""
    require_any(form, "body-mime", "message-headers", "body-plain", "body-html", "from")
    raw = form.field("body-mime")
    if raw is not None:
        for piece in form.octets(raw):
            write(piece)
    else:
        _write_parts(form, write)
    proof = {name: form.text(name, most=200) for name in ("timestamp", "token", "signature")}
    return make_envelope(form.text("sender"), form.text("recipient").split(","), **proof)


def _write_parts(form: Form, write: WriteBytes) -> None:
    pairs = header_block.parse_json(form.value("message-headers", most=_MAX_JSON))
    given = {name.lower() for name, _ in pairs}
    for name in ("from", "subject", "To"):
        if name.lower().encode() not in given and form.field(name) is not None:
            pairs.append((name.capitalize().encode(), form.value(name, most=10_000)))
    texts = text_parts(form, "body-plain", "plain") + text_parts(form, "body-html", "html")
    files = form_files(form, _content_ids(form))
    files += missing_files(files, _announced(form), announced_count(form, "attachment-count"))
    write_mail(header_block.format_head(pairs), texts, files, write)


def _content_ids(form: Form) -> dict[str, str]:
    """Return field of a file → its Content-ID."""
    found = _json(form, "content-id-map")
    if not isinstance(found, dict):
        return {}
    return {field: cid for cid, field in found.items() if isinstance(field, str)}


def _announced(form: Form) -> list[tuple[str, str]]:
    """Return name and type of each file that the route's action `store()` kept at Mailgun: it posts only addresses."""
    found = _json(form, "attachments")
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    return [(str(entry.get("name") or ""), str(entry.get("content-type") or "")) for entry in entries]


def _json(form: Form, name: str) -> Any:
    """Return the JSON in a field; None if it is none, since odd mail is accepted too."""
    try:
        return json.loads(form.value(name, most=_MAX_JSON))
    except (ValueError, RecursionError):
        return None


def is_signature_valid(proof: dict[str, str], key: bytes) -> bool:
    """Return whether *proof* has the right signature: HMAC-SHA256 of timestamp and token, as hexadecimal digits."""
    signed = (proof.get("timestamp", "") + proof.get("token", "")).encode()
    made = hmac.new(key, signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(made.encode(), proof.get("signature", "").encode("utf-8", "replace"))

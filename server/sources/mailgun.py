"""Mailgun Routes: a form of parts, or the raw mail in `body-mime` where the route's address ends in `mime`.

https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store
"""

import hashlib
import hmac
import json

from server.compose import Write, write_mail
from server.sources import head
from server.sources.form import Form
from server.sources.posted import Posted, envelope, expect, file, text

#: Bytes of `message-headers` and of `content-id-map`.
_LONGEST = 1024 * 1024


def write(form: Form, write: Write) -> Posted:
    """Write the mail that *form* holds; what says who sent it is in the answer's `proof`."""
    expect(form, "body-mime", "message-headers", "body-plain", "body-html", "from")
    raw = form.field("body-mime")
    if raw is not None:
        for piece in form.octets(raw):
            write(piece)
    else:
        _write_parts(form, write)
    proof = {name: form.text(name, most=200) for name in ("timestamp", "token", "signature")}
    return envelope(form.text("sender"), form.text("recipient").split(","), **proof)


def _write_parts(form: Form, write: Write) -> None:
    pairs = head.listed(form.value("message-headers", most=_LONGEST))
    given = {name.lower() for name, _ in pairs}
    for name in ("from", "subject", "To"):
        if name.lower().encode() not in given and form.field(name) is not None:
            pairs.append((name.capitalize().encode(), form.value(name, most=10_000)))
    texts = text(form, "body-plain", "plain") + text(form, "body-html", "html")
    ids = _content_ids(form)
    files = [file(form, field, ids.get(field.name, "")) for field in form.fields if field.filename is not None]
    write_mail(head.head(pairs), texts, files, write)


def _content_ids(form: Form) -> dict[str, str]:
    """Field of a file → its Content-ID."""
    try:
        found = json.loads(form.value("content-id-map", most=_LONGEST) or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {field: cid for cid, field in found.items() if isinstance(field, str)}


def is_signed(proof: dict[str, str], key: bytes) -> bool:
    """Whether *proof* was made with the signing key: HMAC-SHA256 of timestamp and token, in hexadecimal digits."""
    signed = (proof.get("timestamp", "") + proof.get("token", "")).encode()
    made = hmac.new(key, signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(made.encode(), proof.get("signature", "").encode("utf-8", "replace"))

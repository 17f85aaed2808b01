"""Amazon SES, received mail published to an SNS topic: the raw mail, or its headers if the mail itself is in S3.

https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html
"""

import json
from typing import Any

from server.intake.mime_writer import OctetSource, WriteBytes
from server.intake.posted_files import compact_base64, decode_compact
from server.intake.sources import header_block
from server.intake.sources.envelope import PostedEnvelope, make_envelope


def convert(text: str, write: WriteBytes) -> PostedEnvelope | None:
    """Write the mail in the *text* of an SNS message. Return None if it is about no received mail, as at the set-up.

    Content that cannot be decoded stays as it is, behind the headers, which SNS has beside it.
    """
    notification = _received(text)
    if notification is None:
        return None
    mail, receipt = _part(notification, "mail"), _part(notification, "receipt")
    content = notification.get("content")
    content = content if isinstance(content, str) else ""
    found = _decoded(content, _part(receipt, "action").get("encoding"))
    if found is None:
        head = header_block.format_head(header_block.pairs_from_json(mail.get("headers")))
        write(head + b"\r\n" + header_block.octets(content))
    else:
        for piece in found():
            write(piece)
    recipients = receipt.get("recipients") or mail.get("destination")
    kept = [one for one in recipients if isinstance(one, str)] if isinstance(recipients, list) else []
    posted = make_envelope(str(mail.get("source") or ""), kept)
    return PostedEnvelope(posted.sender, posted.recipients, headers_only=found is None)


def _received(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None  # 'Successfully validated SNS topic …' is not JSON
    return found if isinstance(found, dict) and found.get("notificationType") == "Received" else None


def _decoded(content: str, encoding: Any) -> OctetSource | None:
    """Return the mail; None if there is none, or none that can be decoded."""
    if str(encoding).upper() != "BASE64":
        octets = header_block.octets(content)
        return (lambda: [octets]) if octets else None
    compact = compact_base64(content)
    return decode_compact(compact) if compact else None


def _part(notification: dict[str, Any], name: str) -> dict[str, Any]:
    value = notification.get(name)
    return value if isinstance(value, dict) else {}

"""Amazon SES, received mail published to an SNS topic: the raw mail, or its head where the mail lies elsewhere (S3).

https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html
"""

import base64
import binascii
import json
from typing import Any

from server.compose import Write
from server.sources import head
from server.sources.posted import Posted, envelope
from workitems.errors import InvalidChangeError


def write(text: str, write: Write) -> Posted | None:
    """Write the mail in an SNS message's *text*. None: it tells of no received mail, as SES does when it is set up.

    Raises InvalidChangeError for a notification whose content cannot be understood.
    """
    told = _received(text)
    if told is None:
        return None
    mail, receipt = _part(told, "mail"), _part(told, "receipt")
    content = told.get("content")
    if isinstance(content, str) and content:
        write(_decoded(content, _part(receipt, "action").get("encoding")))
    else:
        write(head.head(head.pairs(mail.get("headers"))) + b"\r\n")
    recipients = receipt.get("recipients") or mail.get("destination")
    kept = [one for one in recipients if isinstance(one, str)] if isinstance(recipients, list) else []
    posted = envelope(str(mail.get("source") or ""), kept)
    return posted if content else Posted(posted.sender, posted.recipients, headers_only=True)


def _received(text: str) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None  # 'Successfully validated SNS topic …' is no JSON
    return told if isinstance(told, dict) and told.get("notificationType") == "Received" else None


def _decoded(content: str, encoding: Any) -> bytes:
    if str(encoding).upper() != "BASE64":
        return head.octets(content)
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidChangeError("content in the encoding that the notification names is needed", "content") from None


def _part(told: dict[str, Any], name: str) -> dict[str, Any]:
    value = told.get(name)
    return value if isinstance(value, dict) else {}

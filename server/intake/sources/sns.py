"""Amazon SNS over HTTP: parses a message and the text that its signature is for.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from server.http.json_body import count_json_marks
from workitems.base.errors import InvalidChangeError

NOTIFICATION, SUBSCRIPTION, UNSUBSCRIPTION = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"

#: Brackets, commas and quotes of JSON outside of strings at most; a message has some twelve values, and attributes.
_MAX_MARKS = 1_000

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)

#: The fields that are signed, in this order; fields that a message lacks are skipped.
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_SIGNED[UNSUBSCRIPTION] = _SIGNED[SUBSCRIPTION]

#: The whole address of a certificate: no user, port or query, and nothing that two parsers could read differently.
_CERTIFICATE = re.compile(
    r"https://(sns\.([a-z0-9-]{1,40})\.amazonaws\.com(\.cn)?)/SimpleNotificationService-[0-9a-f]{8,64}\.pem",
    re.ASCII,
)
_TOPIC = re.compile(r"arn:(aws[a-z-]{0,20}):sns:([a-z0-9-]{1,40}):[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SnsMessage:
    """A parsed SNS message; trust nothing in it before `signature.verify`."""

    type: str
    topic: str
    text: str
    at: datetime
    host: str
    certificate_url: str
    token: str
    signed: bytes
    signature: bytes
    version: str


class ForgedError(Exception):
    """The message does not come from SNS, or cannot prove it; the text says what is wrong."""


def parse_message(raw: bytes) -> SnsMessage:
    """Parse *raw*. Raise InvalidChangeError if it is no SNS message, ForgedError if its certificate is not at SNS."""
    try:
        body = _flat(raw)
        fields = {name: value for name, value in body.items() if isinstance(value, str)}
        at = datetime.strptime(fields["Timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        signed = _canonical(fields)
        signature = base64.b64decode(fields["Signature"], validate=True)
        kind, topic, url, text = (fields[name] for name in ("Type", "TopicArn", "SigningCertURL", "Message"))
    except (ValueError, KeyError, AttributeError, RecursionError, binascii.Error):
        message = "the body is not a message of Amazon SNS; raw message delivery must be off"
        raise InvalidChangeError(message) from None
    host = pinned_host(url, topic)
    version = fields.get("SignatureVersion", "1")
    return SnsMessage(kind, topic, text, at, host, url, fields.get("Token", ""), signed, signature, version)


def pinned_host(url: str, topic: str) -> str:
    """Return the host of a certificate's address. Raise ForgedError unless it is SNS in the topic's region."""
    found, arn = _CERTIFICATE.fullmatch(url), _TOPIC.fullmatch(topic)
    if found is None or arn is None or found[2] != arn[2] or bool(found[3]) != (arn[1] == "aws-cn"):
        raise ForgedError("its certificate is not at SNS in the region of its topic")
    return found[1]


def confirmation_url(message: SnsMessage) -> str:
    """Return the address that confirms a subscription, made of checked parts and not taken from the message."""
    if not re.fullmatch(r"[0-9A-Za-z]{1,1024}", message.token, re.ASCII):
        raise ForgedError("its token does not have the form of an SNS token")
    return f"https://{message.host}/?Action=ConfirmSubscription&TopicArn={message.topic}&Token={message.token}"


def _flat(raw: bytes) -> Any:
    """Parse *raw* if it has few values: anyone can send a body, and many values would stop the process."""
    quotes = raw.count(b'"') - raw.count(b'\\"')
    if quotes > _MAX_MARKS or count_json_marks(_STRING.sub(b"", raw)) > _MAX_MARKS:
        raise ValueError("more values than an SNS message has")
    return json.loads(raw)


def _canonical(fields: dict[str, Any]) -> bytes:
    names = _SIGNED[fields["Type"]]
    return "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields).encode()

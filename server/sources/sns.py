"""Amazon SNS over HTTP: the envelope of a message, and what it is signed with.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from server.body import marks
from workitems.errors import InvalidChangeError

NOTIFICATION, SUBSCRIPTION, UNSUBSCRIPTION = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"

#: Marks of JSON outside of texts; a message has some twelve values, and attributes.
_MOST_MARKS = 1_000

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)

#: What is signed, in this order; what a message does not have is passed over.
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_SIGNED[UNSUBSCRIPTION] = _SIGNED[SUBSCRIPTION]

#: The whole of a certificate's address: no user, no port, no query, nothing that two readers see differently.
_CERTIFICATE = re.compile(
    r"https://(sns\.([a-z0-9-]{1,40})\.amazonaws\.com(\.cn)?)/SimpleNotificationService-[0-9a-f]{8,64}\.pem",
    re.ASCII,
)
_TOPIC = re.compile(r"arn:(aws[a-z-]{0,20}):sns:([a-z0-9-]{1,40}):[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Message:
    """An SNS message that has the form of one; nothing in it is to be believed before `signature.verify`."""

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
    """It does not come from SNS, or cannot be proved to; the message says what is wrong with it."""


def read(raw: bytes) -> Message:
    """Raises InvalidChangeError for what is no SNS message, ForgedError for one whose certificate is elsewhere."""
    try:
        body = _flat(raw)
        fields = {name: value for name, value in body.items() if isinstance(value, str)}
        at = datetime.strptime(fields["Timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        signed = _canonical(fields)
        signature = base64.b64decode(fields["Signature"], validate=True)
        kind, topic, url, text = (fields[name] for name in ("Type", "TopicArn", "SigningCertURL", "Message"))
    except (ValueError, KeyError, AttributeError, RecursionError, binascii.Error):
        raise InvalidChangeError("the body is a message of Amazon SNS, without raw message delivery") from None
    host = pinned_host(url, topic)
    version = fields.get("SignatureVersion", "1")
    return Message(kind, topic, text, at, host, url, fields.get("Token", ""), signed, signature, version)


def pinned_host(url: str, topic: str) -> str:
    """The host of a certificate's address, of which nothing is left open: SNS's own in the topic's region."""
    found, arn = _CERTIFICATE.fullmatch(url), _TOPIC.fullmatch(topic)
    if found is None or arn is None or found[2] != arn[2] or bool(found[3]) != (arn[1] == "aws-cn"):
        raise ForgedError("its certificate is not at SNS in the region of its topic")
    return found[1]


def confirmation(message: Message) -> str:
    """The address that confirms a subscription, made of what was checked and not taken from the message."""
    if not re.fullmatch(r"[0-9A-Za-z]{1,1024}", message.token, re.ASCII):
        raise ForgedError("its token has not the form of SNS's")
    return f"https://{message.host}/?Action=ConfirmSubscription&TopicArn={message.topic}&Token={message.token}"


def _flat(raw: bytes) -> Any:
    """The JSON in *raw*, which has few values: anybody may post, and many values would stop the process for a while."""
    quotes = raw.count(b'"') - raw.count(b'\\"')
    if quotes > _MOST_MARKS or marks(_STRING.sub(b"", raw)) > _MOST_MARKS:
        raise ValueError("more values than a message has")
    return json.loads(raw)


def _canonical(fields: dict[str, Any]) -> bytes:
    names = _SIGNED[fields["Type"]]
    return "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields).encode()

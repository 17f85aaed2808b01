"""Sample mails, machine parts and origins for the tests of this folder, and a snapshot of all keys of Redis."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from redis import Redis

from workitems.intake.origin import MailOrigin
from workitems.queue.item import MACHINE_DEFAULTS, SCHEMA_VERSION

ARRIVED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

#: Ids in the form of `identity.item_id`.
IDS = ["wi_" + letter * 26 for letter in "abcdefghijkl"]


def machine(subject: str = "Claim for a broken window", **parts: Any) -> dict[str, Any]:
    """Return the machine part of an item."""
    return MACHINE_DEFAULTS | {
        "schema": SCHEMA_VERSION,
        "subject": subject,
        "from_email": "ann@example.com",
        "created_at": "2026-03-01T09:30:00Z",
        **parts,
    }


def mail(
    message_id: str | None = "<one@example.com>", subject: str = "Claim for a broken window", body: str = "Hello."
) -> bytes:
    """Return a plain mail with CRLF line ends."""
    headers = [] if message_id is None else [f"Message-ID: {message_id}"]
    headers += ["Date: Sun, 1 Mar 2026 09:30:00 +0000", "From: Ann <ann@example.com>", f"Subject: {subject}"]
    return "\r\n".join([*headers, "", body, ""]).encode()


def origin(raw: bytes, mailbox: str = "claims", **parts: Any) -> MailOrigin:
    """Return the origin of *raw* as the poller gives it."""
    return replace(MailOrigin(mailbox, ARRIVED, "imap", len(raw)), **parts)


def everything(url: str) -> dict[bytes, Any]:
    """Return every key of a Redis with its value; two results are equal when nothing changed in between."""
    with Redis.from_url(url, protocol=2) as client:
        readers: dict[bytes, Any] = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            b"stream": lambda key: (client.xrange(key), client.xinfo_stream(key)["last-generated-id"]),
        }
        return {key: readers[client.type(key)](key) for key in client.keys("*")}

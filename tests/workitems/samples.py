"""Mails, machine parts and origins as the tests of this folder use them, and a picture of all that Redis holds."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from redis import Redis

from workitems.intake import Origin
from workitems.item import MACHINE, SCHEMA

ARRIVED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

#: Ids in the form of `identity.item_id`.
IDS = ["wi_" + letter * 26 for letter in "abcdefghijkl"]


def machine(subject: str = "Claim for a broken window", **parts: Any) -> dict[str, Any]:
    """What was read from a mail."""
    return MACHINE | {
        "schema": SCHEMA,
        "subject": subject,
        "from_email": "ann@example.com",
        "created_at": "2026-03-01T09:30:00Z",
        **parts,
    }


def mail(
    message_id: str | None = "<one@example.com>", subject: str = "Claim for a broken window", body: str = "Hello."
) -> bytes:
    """A plain mail with CRLF line ends."""
    headers = [] if message_id is None else [f"Message-ID: {message_id}"]
    headers += ["Date: Sun, 1 Mar 2026 09:30:00 +0000", "From: Ann <ann@example.com>", f"Subject: {subject}"]
    return "\r\n".join([*headers, "", body, ""]).encode()


def origin(raw: bytes, mailbox: str = "claims", **parts: Any) -> Origin:
    """As the poller would say where *raw* comes from."""
    return replace(Origin(mailbox, ARRIVED, "imap", len(raw)), **parts)


def everything(url: str) -> dict[bytes, Any]:
    """Every key of a Redis with its value: two pictures are equal when nothing was changed in between."""
    with Redis.from_url(url, protocol=2) as client:
        readers: dict[bytes, Any] = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            b"stream": lambda key: (client.xrange(key), client.xinfo_stream(key)["last-generated-id"]),
        }
        return {key: readers[client.type(key)](key) for key in client.keys("*")}

"""Encodes an event stream (WHATWG HTML §9.2) in HTTP/1.1 chunks (RFC 9112 §7.1). Pure.

Messages have no name and a JSON envelope, so that a plain `EventSource` with `onmessage` gets all of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workitems.base.json_codec import encode_json_str
from workitems.feed.event import SCHEMA_VERSION, Cursor, Event

#: Sent first: proxies that compress hold back about the first kilobyte, even of the headers.
PADDING = b":" + b" " * 2047 + b"\n\n"

#: The end of a chunked body; without it the response counts as truncated.
LAST_CHUNK = b"0\r\n\r\n"

_FORBIDDEN = re.compile(rb"[\r\n\0]")


def encode_message(data: bytes, *, cursor: Cursor | None = None) -> bytes:
    """Encode one message. A line end in *data* cannot break out of it: it becomes a further `data:` line."""
    lines = data.replace(b"\0", b"").splitlines() or [b""] if _FORBIDDEN.search(data) else (data,)
    head = b"id: %d-%d\n" % (cursor.epoch, cursor.n) if cursor else b""
    return head + b"".join(b"data: %s\n" % line for line in lines) + b"\n"


def encode_notice(event: str, *, cursor: Cursor | None = None, **values: Any) -> bytes:
    """Encode a message of the stream itself: `{"event": …, …}`."""
    return encode_message(encode_json_str({"event": event, **values}).encode(), cursor=cursor)


def encode_retry(milliseconds: int) -> bytes:
    """Encode how long a plain `EventSource` waits before it connects again."""
    return b"retry: %d\n\n" % milliseconds


def encode_chunk(payload: bytes) -> bytes:
    """Encode *payload* as one HTTP/1.1 chunk."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def encode_event(entry: Event) -> bytes:
    """Encode an event of the feed."""
    return encode_message(entry.data, cursor=entry.cursor)


def encode_left(entry: Event) -> bytes:
    """Encode an event for a stream whose filter the item has just left: it gets it once more, with `"left": true`."""
    return encode_message(entry.data[:-1] + b',"left":true}', cursor=entry.cursor)


def encode_connected(connection_id: str, start: Cursor | None, head: Cursor, **values: Any) -> bytes:
    """Encode the first message. *start* is the cursor after which the stream continues; None if `reset` follows."""
    return encode_notice(
        "connected", cursor=start, schema=SCHEMA_VERSION, connection_id=connection_id, head=str(head), **values
    )


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """What a stream asked for. Empty means everything. Streams with equal filters get the same bytes."""

    mailboxes: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()

    def select(self, entry: Event, encoded: bytes) -> bytes:
        """Return what this filter wants of an event: *encoded*, or the form for an item that just left it, or b""."""
        if not entry.data:
            return b""
        if self.mailboxes and entry.mailbox not in self.mailboxes:
            return b""
        if not self.statuses or entry.status in self.statuses:
            return encoded
        return encode_left(entry) if entry.previous_status in self.statuses else b""

    def accepts_mailbox(self, mailbox: str) -> bool:
        """Whether this filter wants the state events of a mailbox; '' means events of no mailbox."""
        return not mailbox or not self.mailboxes or mailbox in self.mailboxes

    def select_all(self, entries: Sequence[Event], encoded: Sequence[bytes] | None = None) -> bytes:
        """Return what this filter wants of *entries*, to be sent together. *encoded*: the entries, if known."""
        return b"".join(map(self.select, entries, map(encode_event, entries) if encoded is None else encoded))


UNFILTERED = StreamFilter()

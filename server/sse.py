"""Bytes of an event stream (WHATWG HTML §9.2) in HTTP/1.1 chunks (RFC 9112 §7.1). Pure.

Unnamed messages with a JSON envelope, so that a plain `EventSource` with `onmessage` gets them all.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workitems.event import SCHEMA, Cursor, Event, dumps

#: Proxies that compress hold back about the first kilobyte, even of the headers.
PADDING = b":" + b" " * 2047 + b"\n\n"

#: The end of a chunked body; without it a client calls the response truncated.
LAST_CHUNK = b"0\r\n\r\n"

_FORBIDDEN = re.compile(rb"[\r\n\0]")


def message(data: bytes, *, cursor: Cursor | None = None) -> bytes:
    """One message. A line end inside *data* cannot break out of it: it becomes a further `data:` line."""
    lines = data.replace(b"\0", b"").splitlines() or [b""] if _FORBIDDEN.search(data) else (data,)
    head = b"id: %d-%d\n" % (cursor.epoch, cursor.n) if cursor else b""
    return head + b"".join(b"data: %s\n" % line for line in lines) + b"\n"


def notice(event: str, *, cursor: Cursor | None = None, **values: Any) -> bytes:
    """A message of the stream's own: `{"event": …, …}`."""
    return message(dumps({"event": event, **values}).encode(), cursor=cursor)


def retry(milliseconds: int) -> bytes:
    """How long a plain `EventSource` waits before it connects again."""
    return b"retry: %d\n\n" % milliseconds


def chunk(payload: bytes) -> bytes:
    """*payload* as one HTTP/1.1 chunk."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def event(entry: Event) -> bytes:
    """A feed entry as a message."""
    return message(entry.data, cursor=entry.cursor)


def left(entry: Event) -> bytes:
    """The same for a stream whose filter the item has just left: once more, with `"left": true`."""
    return message(entry.data[:-1] + b',"left":true}', cursor=entry.cursor)


def connected(connection_id: str, start: Cursor | None, head: Cursor, **values: Any) -> bytes:
    """The first message: *start* is the point from which this stream goes on, None where `reset` follows."""
    return notice("connected", cursor=start, schema=SCHEMA, connection_id=connection_id, head=str(head), **values)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a stream asked for. Empty means everything; equal filters share their frames."""

    mailboxes: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()

    def frame(self, entry: Event, framed: bytes) -> bytes:
        """*framed*, the message of an entry; another where it just left this filter, b"" where it is not wanted."""
        if not entry.data:
            return b""
        if self.mailboxes and entry.mailbox not in self.mailboxes:
            return b""
        if not self.statuses or entry.status in self.statuses:
            return framed
        return left(entry) if entry.was in self.statuses else b""

    def concerns(self, mailbox: str) -> bool:
        """Whether this filter wants what is told of a mailbox; '' is no mailbox's."""
        return not mailbox or not self.mailboxes or mailbox in self.mailboxes

    def frames(self, entries: Sequence[Event], framed: Sequence[bytes] | None = None) -> bytes:
        """All that this filter wants of *entries*, ready to be sent together; *framed* are their messages, if made."""
        return b"".join(map(self.frame, entries, map(event, entries) if framed is None else framed))


EVERYTHING = Filter()

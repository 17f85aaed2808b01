"""An event of the feed, and the cursor: a position in the feed."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Self

from workitems.base.errors import DecodeError

#: Rises when a client that knows the older form would break.
SCHEMA_VERSION = 1

_CURSOR = re.compile(r"(\d{1,20})-(\d{1,20})", re.ASCII)

#: The largest number in the id of an entry (Redis keeps both in 64 bits).
_MAX_NUMBER = 2**64 - 1

_MILLISECONDS = re.compile(rb"\d{1,16}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A position in the feed: `<epoch>-<n>`. Epochs are milliseconds and rise; n is dense within an epoch, from 1."""

    epoch: int
    n: int

    @classmethod
    def parse(cls, text: str | bytes) -> Self | None:
        """Return the cursor, or None when *text* is none: it comes from clients."""
        found = _CURSOR.fullmatch(text.decode("latin-1") if isinstance(text, bytes) else text)
        if found is None or max(epoch := int(found[1]), n := int(found[2])) > _MAX_NUMBER:
            return None
        return cls(epoch, n)

    def __str__(self) -> str:
        return f"{self.epoch}-{self.n}"


#: The position before the first event.
START_CURSOR = Cursor(0, 0)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the feed. `data` is the JSON that clients get; the rest is for filters and measurement."""

    cursor: Cursor
    data: bytes
    mailbox: str
    status: str
    previous_status: str
    #: Milliseconds since 1970 by Redis's clock when it was published.
    published_at_ms: int
    #: The last cursor of the epoch before, on the first event of an epoch.
    previous_epoch_end: Cursor | None = None
    #: The item that it is about.
    item_id: str = ""

    @classmethod
    def decode(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> Self:
        """Decode a feed entry. Raises DecodeError, whose message holds nothing of the entry.

        Unknown fields are ignored and missing ones are empty: an older server may run beside a newer worker.
        """
        data = fields.get(b"data", b"")
        if not (data.startswith(b'{"event":"') and data.endswith(b"}}")):
            raise DecodeError("data is no event")
        _text(data, "data")
        return cls(
            cursor=_cursor(entry_id),
            data=data,
            mailbox=_text(fields.get(b"mailbox", b""), "mailbox"),
            status=_text(fields.get(b"status", b""), "status"),
            previous_status=_text(fields.get(b"was", b""), "was"),
            published_at_ms=_milliseconds(fields.get(b"at") or b"0"),
            previous_epoch_end=Cursor.parse(fields.get(b"prev", b"")),
            item_id=_text(fields.get(b"id", b""), "id"),
        )

    @classmethod
    def blank(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> Self:
        """Return an event without content in the place of one that was erased or cannot be decoded.

        Its place in the feed is kept, so that readers do not take it for a lost event.
        """
        return cls(_cursor(entry_id), b"", "", "", "", 0, Cursor.parse(fields.get(b"prev", b"")))

    def follows(self, before: Cursor) -> bool:
        """Return whether this event comes directly after *before*: nothing was lost or trimmed in between."""
        if self.cursor.epoch == before.epoch:
            return self.cursor.n == before.n + 1
        return self.cursor.n <= 1 and self.previous_epoch_end == before

    @property
    def is_removal(self) -> bool:
        """Return whether it says that the item was removed."""
        return self.data.startswith(b'{"event":"workitem_removed"')

    def as_blank(self) -> Self:
        """Return the same position in the feed without content: no client gets it."""
        return replace(self, data=b"")


def blank_events_of(events: Iterable[Event], items: Collection[str]) -> list[Event]:
    """Return *events* with the events of *items* made blank, except the ones of their removal."""
    return [event.as_blank() if event.item_id in items and not event.is_removal else event for event in events]


def removed_items(events: Iterable[Event]) -> frozenset[str]:
    """Return the items whose removal is among *events*."""
    return frozenset(event.item_id for event in events if event.is_removal)


def _cursor(entry_id: bytes) -> Cursor:
    cursor = Cursor.parse(entry_id)
    assert cursor is not None, "Redis gives no entry an id of another form"
    return cursor


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise DecodeError(f"{name} is not UTF-8") from None


def _milliseconds(value: bytes) -> int:
    if not _MILLISECONDS.fullmatch(value):
        raise DecodeError("at is not a time in milliseconds")
    return int(value)

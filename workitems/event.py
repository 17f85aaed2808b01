"""An event of the feed and the cursor that says how far somebody has been told."""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import orjson

#: Rises when a client that knows the older form would break.
SCHEMA = 1

#: Levels of lists and objects inside each other that we take; json's own end lies near 1,000, and moves with the stack.
DEEPEST = 32

_BOXES = (dict, list)

_CURSOR = re.compile(r"(\d{1,16})-(\d{1,16})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the feed: `<epoch>-<n>`. Epochs are milliseconds and rise; n is dense within an epoch, from 1."""

    epoch: int
    n: int

    @classmethod
    def parse(cls, text: str | bytes) -> Self | None:
        """None for whatever is no cursor: it comes from strangers."""
        found = _CURSOR.fullmatch(text.decode("latin-1") if isinstance(text, bytes) else text)
        return cls(int(found[1]), int(found[2])) if found else None

    def __str__(self) -> str:
        return f"{self.epoch}-{self.n}"


#: Before the first event of all.
START = Cursor(0, 0)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the feed. `data` is the JSON envelope that clients get; the rest is for filters and measurement."""

    cursor: Cursor
    data: bytes
    mailbox: str
    status: str
    was: str
    #: Milliseconds since 1970 by Redis's clock when it was published.
    at: int
    #: The last cursor of the epoch before, on the first event of an epoch.
    prev: Cursor | None = None
    #: Whose event it is; '' for one that an older program wrote.
    item: str = ""
    #: The last cursor before it that still has an event, where all in between were erased with their items.
    over: Cursor | None = None

    @classmethod
    def decode(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> Self:
        """From a feed entry. Unknown fields are ignored, missing ones empty: an older server beside a newer worker."""
        cursor = Cursor.parse(entry_id)
        assert cursor is not None, "Redis writes ids in this form only"
        return cls(
            cursor=cursor,
            data=fields.get(b"data", b"{}"),
            mailbox=fields.get(b"mailbox", b"").decode(),
            status=fields.get(b"status", b"").decode(),
            was=fields.get(b"was", b"").decode(),
            at=int(fields.get(b"at", b"0") or 0),
            prev=Cursor.parse(fields.get(b"prev", b"")),
            item=fields.get(b"id", b"").decode(),
        )

    def follows(self, before: Cursor) -> bool:
        """Whether this event comes directly after *before*: nothing was lost or trimmed in between."""
        if self.over == before:
            return True
        if self.cursor.epoch == before.epoch:
            return self.cursor.n == before.n + 1
        return self.cursor.n == 1 and self.prev == before

    @property
    def removes(self) -> bool:
        """Whether it says that the item is no more."""
        return self.data.startswith(b'{"event":"workitem_removed"')

    def emptied(self) -> Self:
        """The same place in the feed, of which nobody is told anything."""
        return replace(self, data=b"")


def without(events: Iterable[Event], items: Collection[str]) -> list[Event]:
    """*events*, with those emptied that came before the removal of one of *items*."""
    return [event.emptied() if event.item in items and not event.removes else event for event in events]


def removed(events: Iterable[Event]) -> frozenset[str]:
    """The items whose removal is among *events*."""
    return frozenset(event.item for event in events if event.removes)


def encoded(value: Any) -> bytes:
    """Compact JSON in UTF-8; lone surrogates, which UTF-8 cannot carry, become U+FFFD. Numbers are finite here: what
    comes from people and from reading children is looked at where it comes in.
    """
    try:
        return orjson.dumps(value)
    except TypeError:  # surrogates, numbers beyond 64 bits
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def dumps(value: Any) -> str:
    """The same as text."""
    return encoded(value).decode()


def is_deeper(value: Any, levels: int = DEEPEST) -> bool:
    """Whether lists and objects lie in each other more than *levels* deep: what one place reads, another could not."""
    if not isinstance(value, _BOXES):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(is_deeper(each, levels - 1) for each in inside if isinstance(each, _BOXES))

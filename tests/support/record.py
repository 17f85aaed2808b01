"""The events that one client received, in one form for all kinds of clients."""

from dataclasses import dataclass, field
from typing import NamedTuple

#: (epoch, n): a cursor that can be compared.
Position = tuple[int, int]


class ReceivedEvent(NamedTuple):
    """One event of an item."""

    cursor: str
    item: str
    version: int


@dataclass
class Run:
    """The events without a `reset` between them: all after *start*, the cursor at which the run begins.

    `items` (id → version) and `head` are from the loaded list; `items` is None until it came.
    """

    start: str
    received: list[ReceivedEvent] = field(default_factory=list)
    head: str = ""
    items: dict[str, int] | None = None

    def mirror(self) -> dict[str, int]:
        """Return the list that the client has: the loaded one, changed by the later events."""
        after = {each.item: each.version for each in self.received if position(each.cursor) > position(self.head)}
        return (self.items or {}) | after


@dataclass
class Record:
    """The record of one client. The counters are for streams: reconnected, rotated, refused."""

    kind: str
    runs: list[Run] = field(default_factory=list)
    reconnects: int = 0
    rotations: int = 0
    refused: int = 0

    @property
    def last(self) -> str:
        """The cursor of the last event of an item."""
        run = self.runs[-1]
        return run.received[-1].cursor if run.received else run.start

    def is_at(self, cursor: str) -> bool:
        """Whether it has the list and everything up to *cursor*."""
        return self.last == cursor and self.runs[-1].items is not None


def position(cursor: str) -> Position:
    """Return the cursor in a form that can be compared; "" comes before all others."""
    epoch, _, n = cursor.partition("-")
    return (int(epoch or 0), int(n or 0))

"""What one client saw of the stream, in the form in which all kinds of clients write it down."""

from dataclasses import dataclass, field
from typing import NamedTuple

#: (epoch, n): a cursor that can be compared.
Place = tuple[int, int]


class Told(NamedTuple):
    """One event of an item."""

    cursor: str
    item: str
    version: int


@dataclass
class Run:
    """What was told without a `reset` in between: everything after *start*, the cursor from which it goes on.

    `items` (id → version) and `head` are of the list that was loaded; None until it came.
    """

    start: str
    told: list[Told] = field(default_factory=list)
    head: str = ""
    items: dict[str, int] | None = None

    def mirror(self) -> dict[str, int]:
        """The list as it looks to the client now: what was loaded, with what was told after it."""
        after = {each.item: each.version for each in self.told if place(each.cursor) > place(self.head)}
        return (self.items or {}) | after


@dataclass
class Record:
    """*kind* of client; the counters are of streams: lost and opened again, handed over, refused."""

    kind: str
    runs: list[Run] = field(default_factory=list)
    reconnects: int = 0
    rotations: int = 0
    refused: int = 0

    @property
    def last(self) -> str:
        """The cursor up to which it was told of items."""
        run = self.runs[-1]
        return run.told[-1].cursor if run.told else run.start

    def is_at(self, cursor: str) -> bool:
        """Whether it has the list and was told everything up to *cursor*."""
        return self.last == cursor and self.runs[-1].items is not None


def place(cursor: str) -> Place:
    """A cursor's place; "" comes before all."""
    epoch, _, n = cursor.partition("-")
    return (int(epoch or 0), int(n or 0))

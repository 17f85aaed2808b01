"""The newest events in this process's memory, so that returning streams cost Redis nothing."""

from collections import deque
from collections.abc import Collection, Sequence
from itertools import islice

from workitems.event import Cursor, Event, without


class Ring:
    """A gapless run of the feed, ending at `head`, bounded by number and bytes. O(1) to find a cursor in it."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self.restart(Cursor(0, 0))

    def restart(self, head: Cursor) -> None:
        """Forget everything; the next event follows *head*."""
        self.head = head
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._dropped = 0
        #: Cursor → how many events of this run came up to and with it. The one before the oldest event is kept too.
        self._places: dict[Cursor, int] = {head: 0}
        self._floor = head

    def extend(self, events: Sequence[Event]) -> None:
        """Add what follows `head`."""
        for event in events:
            self._events.append(event)
            self._bytes += len(event.data)
            self._places[event.cursor] = self._dropped + len(self._events)
            self.head = event.cursor
        while len(self._events) > self._most or (self._bytes > self._most_bytes and self._events):
            oldest = self._events.popleft()
            self._bytes -= len(oldest.data)
            self._dropped += 1
            del self._places[self._floor]
            self._floor = oldest.cursor

    def forget(self, items: Collection[str]) -> None:
        """Empty the events of *items*, which were removed; their places stay, so that the run has no gap."""
        self._events = deque(without(self._events, items))
        self._bytes = sum(len(event.data) for event in self._events)

    def behind(self, cursor: Cursor) -> int | None:
        """How many events follow *cursor*; None when it is not a point of this run."""
        place = self._places.get(cursor)
        return None if place is None else self._dropped + len(self._events) - place

    def after(self, cursor: Cursor, most: int | None = None) -> list[Event] | None:
        """The events after *cursor*, the first *most* of them; None when *cursor* is not a point of this run."""
        place = self._places.get(cursor)
        if place is None:
            return None
        start = place - self._dropped
        return list(islice(self._events, start, None if most is None else start + most))

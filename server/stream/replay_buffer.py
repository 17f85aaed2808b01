"""The newest events in the memory of this process, so that returning streams cost Redis nothing."""

from collections import deque
from collections.abc import Collection, Sequence
from itertools import islice

from workitems.feed.event import Cursor, Event, blank_events_of


class ReplayBuffer:
    """A part of the feed without a gap that ends at `head`, limited by number and bytes. Finds a cursor in O(1)."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self.restart(Cursor(0, 0))

    def restart(self, head: Cursor) -> None:
        """Forget everything; the next event follows *head*."""
        self.head = head
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._dropped = 0
        #: Cursor → number of events since `restart` up to and with it; also of the cursor before the oldest event.
        self._positions: dict[Cursor, int] = {head: 0}
        self._floor = head

    def extend(self, events: Sequence[Event]) -> None:
        """Add events that follow `head`."""
        for event in events:
            self._events.append(event)
            self._bytes += len(event.data)
            self._positions[event.cursor] = self._dropped + len(self._events)
            self.head = event.cursor
        while len(self._events) > self._max_events or (self._bytes > self._max_bytes and self._events):
            oldest = self._events.popleft()
            self._bytes -= len(oldest.data)
            self._dropped += 1
            del self._positions[self._floor]
            self._floor = oldest.cursor

    def erase_items(self, items: Collection[str]) -> None:
        """Empty the events of *items*, which were removed. Their cursors stay, so that there is no gap."""
        self._events = deque(blank_events_of(self._events, items))
        self._bytes = sum(len(event.data) for event in self._events)

    def count_after(self, cursor: Cursor) -> int | None:
        """Return how many events follow *cursor*; None when the cursor is not in this buffer."""
        position = self._positions.get(cursor)
        return None if position is None else self._dropped + len(self._events) - position

    def events_after(self, cursor: Cursor, limit: int | None = None) -> list[Event] | None:
        """Return the events after *cursor*, at most *limit*; None when the cursor is not in this buffer."""
        position = self._positions.get(cursor)
        if position is None:
            return None
        start = position - self._dropped
        return list(islice(self._events, start, None if limit is None else start + limit))

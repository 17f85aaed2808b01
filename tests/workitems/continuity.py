"""Check whether a reader of the feed got every event."""

from collections.abc import Sequence

from workitems.feed.event import Cursor, Event


def is_continuous(after: Cursor, events: Sequence[Event]) -> bool:
    """Return whether *events* follow *after* and one another without a gap."""
    before = [after, *(event.cursor for event in events)]
    return all(event.follows(place) for place, event in zip(before, events, strict=False))

"""Whether a reader of the feed was told everything."""

from collections.abc import Sequence

from workitems.event import Cursor, Event


def whole(after: Cursor, events: Sequence[Event]) -> bool:
    """Whether *events* follow *after* and one another."""
    before = [after, *(event.cursor for event in events)]
    return all(event.follows(place) for place, event in zip(before, events, strict=False))

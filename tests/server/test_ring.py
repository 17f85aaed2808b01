"""The newest events in memory."""

from dataclasses import replace

from server.ring import Ring
from workitems.event import Cursor, Event


def events(*numbers: int, epoch: int = 1, size: int = 10) -> list[Event]:
    return [Event(Cursor(epoch, n), b"x" * size, "", "", "", 0) for n in numbers]


def numbers(found: list[Event] | None) -> list[int] | None:
    return None if found is None else [event.cursor.n for event in found]


def test_everything_after_a_cursor_is_found_and_nothing_after_the_head() -> None:
    ring = Ring(100, 10_000)
    ring.restart(Cursor(1, 4))
    ring.extend(events(5, 6, 7))
    assert numbers(ring.after(Cursor(1, 4))) == [5, 6, 7]
    assert numbers(ring.after(Cursor(1, 6))) == [7]
    assert numbers(ring.after(Cursor(1, 7))) == []


def test_a_cursor_that_is_no_point_of_the_run_is_not_answered() -> None:
    ring = Ring(100, 10_000)
    ring.restart(Cursor(1, 4))
    ring.extend(events(5, 6))
    for stranger in (Cursor(1, 3), Cursor(1, 7), Cursor(2, 5), Cursor(0, 0)):
        assert ring.after(stranger) is None


def test_it_is_bounded_by_number_and_by_bytes_and_stays_gapless() -> None:
    for ring in (Ring(3, 10_000), Ring(100, 30)):
        ring.restart(Cursor(1, 0))
        ring.extend(events(*range(1, 11)))
        assert ring.after(Cursor(1, 6)) is None
        assert numbers(ring.after(Cursor(1, 7))) == [8, 9, 10]
        assert len(ring._places) == 4


def test_one_event_larger_than_all_its_room_leaves_a_ring_that_still_knows_its_head() -> None:
    ring = Ring(100, 30)
    ring.restart(Cursor(1, 0))
    ring.extend(events(1, size=100))
    assert numbers(ring.after(Cursor(1, 1))) == []
    assert ring.after(Cursor(1, 0)) is None


def test_it_goes_over_the_border_of_an_epoch() -> None:
    ring = Ring(100, 10_000)
    ring.restart(Cursor(1, 4))
    ring.extend([*events(5), *events(1, 2, epoch=2)])
    assert ring.head == Cursor(2, 2)
    assert [str(e.cursor) for e in ring.after(Cursor(1, 5)) or []] == ["2-1", "2-2"]


def test_events_of_removed_items_are_emptied_and_the_run_has_no_gap() -> None:
    ring = Ring(100, 10_000)
    ring.restart(Cursor(1, 0))
    ring.extend([replace(event, item="abc"[n % 3]) for n, event in enumerate(events(*range(1, 7)))])
    ring.forget({"a", "c"})
    found = ring.after(Cursor(1, 1)) or []
    assert numbers(found) == [2, 3, 4, 5, 6]
    assert [bool(event.data) for event in found] == [True, False, False, True, False]
    assert ring._bytes == 20


def test_the_removal_itself_is_kept() -> None:
    ring = Ring(100, 10_000)
    ring.extend([Event(Cursor(1, 1), b'{"event":"workitem_removed","data":{}}', "", "", "", 0, item="a")])
    ring.forget({"a"})
    assert [event.removes for event in ring.after(Cursor(0, 0)) or []] == [True]

"""The replay buffer: the newest events in memory."""

from dataclasses import replace

from server.stream.replay_buffer import ReplayBuffer
from workitems.feed.event import Cursor, Event


def events(*numbers: int, epoch: int = 1, size: int = 10) -> list[Event]:
    return [Event(Cursor(epoch, n), b"x" * size, "", "", "", 0) for n in numbers]


def numbers(found: list[Event] | None) -> list[int] | None:
    return None if found is None else [event.cursor.n for event in found]


def test_everything_after_a_cursor_is_found_and_nothing_after_the_head() -> None:
    buffer = ReplayBuffer(100, 10_000)
    buffer.restart(Cursor(1, 4))
    buffer.extend(events(5, 6, 7))
    assert numbers(buffer.events_after(Cursor(1, 4))) == [5, 6, 7]
    assert numbers(buffer.events_after(Cursor(1, 6))) == [7]
    assert numbers(buffer.events_after(Cursor(1, 7))) == []


def test_a_cursor_that_is_not_in_the_buffer_gives_none() -> None:
    buffer = ReplayBuffer(100, 10_000)
    buffer.restart(Cursor(1, 4))
    buffer.extend(events(5, 6))
    for stranger in (Cursor(1, 3), Cursor(1, 7), Cursor(2, 5), Cursor(0, 0)):
        assert buffer.events_after(stranger) is None


def test_it_is_limited_by_number_and_by_bytes_and_has_no_gap() -> None:
    for buffer in (ReplayBuffer(3, 10_000), ReplayBuffer(100, 30)):
        buffer.restart(Cursor(1, 0))
        buffer.extend(events(*range(1, 11)))
        assert buffer.events_after(Cursor(1, 6)) is None
        assert numbers(buffer.events_after(Cursor(1, 7))) == [8, 9, 10]
        assert len(buffer._positions) == 4


def test_after_one_event_larger_than_the_buffer_it_still_knows_its_head() -> None:
    buffer = ReplayBuffer(100, 30)
    buffer.restart(Cursor(1, 0))
    buffer.extend(events(1, size=100))
    assert numbers(buffer.events_after(Cursor(1, 1))) == []
    assert buffer.events_after(Cursor(1, 0)) is None


def test_it_continues_over_the_start_of_an_epoch() -> None:
    buffer = ReplayBuffer(100, 10_000)
    buffer.restart(Cursor(1, 4))
    buffer.extend([*events(5), *events(1, 2, epoch=2)])
    assert buffer.head == Cursor(2, 2)
    assert [str(e.cursor) for e in buffer.events_after(Cursor(1, 5)) or []] == ["2-1", "2-2"]


def test_events_of_removed_items_are_emptied_without_a_gap() -> None:
    buffer = ReplayBuffer(100, 10_000)
    buffer.restart(Cursor(1, 0))
    buffer.extend([replace(event, item_id="abc"[n % 3]) for n, event in enumerate(events(*range(1, 7)))])
    buffer.erase_items({"a", "c"})
    found = buffer.events_after(Cursor(1, 1)) or []
    assert numbers(found) == [2, 3, 4, 5, 6]
    assert [bool(event.data) for event in found] == [True, False, False, True, False]
    assert buffer._bytes == 20


def test_the_removal_itself_is_kept() -> None:
    buffer = ReplayBuffer(100, 10_000)
    buffer.extend([Event(Cursor(1, 1), b'{"event":"workitem_removed","data":{}}', "", "", "", 0, item_id="a")])
    buffer.erase_items({"a"})
    assert [event.is_removal for event in buffer.events_after(Cursor(0, 0)) or []] == [True]

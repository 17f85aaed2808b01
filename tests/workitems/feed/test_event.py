"""Cursors come from clients; events are decoded also when an older or newer program wrote them."""

import pytest

from workitems.feed.event import START_CURSOR, Cursor, Event

ENTRY = b"1763811111111-42"
DATA = b'{"event":"new_workitem","data":{}}'


@pytest.mark.parametrize("text", ["0-0", "1763811111111-42", "18446744073709551615-18446744073709551615"])
def test_a_cursor_is_read_back_as_it_was_written(text: str) -> None:
    assert str(Cursor.parse(text)) == text
    assert Cursor.parse(text.encode()) == Cursor.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "-", "1", "1-", "-1", "1-2-3", "+1-2", " 1-2", "1-2\n", "1-2 ", "1e3-4", "0x1-2", "$", "*", "1-*", "١-٢",
     "18446744073709551616-1", "1-18446744073709551616", "0" * 21 + "-1", "1-" + "9" * 1_000_000, b"\xff-\xff", "²-1"],
)  # fmt: skip
def test_text_that_is_no_cursor_gives_none_and_no_error(text: str | bytes) -> None:
    assert Cursor.parse(text) is None


def test_cursors_are_ordered_by_epoch_and_then_by_number() -> None:
    assert START_CURSOR < Cursor(5, 9) < Cursor(5, 10) < Cursor(6, 1)


def test_an_event_is_read_from_its_entry() -> None:
    event = Event.decode(ENTRY, {b"data": DATA, b"mailbox": b"claims", b"status": b"done", b"was": b"new", b"at": b"7"})
    assert event == Event(Cursor(1763811111111, 42), DATA, "claims", "done", "new", 7)


def test_an_entry_of_a_newer_program_is_read_as_far_as_it_is_known() -> None:
    assert Event.decode(ENTRY, {b"colour": b"blue", b"data": DATA}) == Event(
        Cursor(1763811111111, 42), DATA, "", "", "", 0
    )


@pytest.mark.parametrize(
    ("cursor", "prev", "before", "follows"),
    [
        (Cursor(5, 2), None, Cursor(5, 1), True),
        (Cursor(5, 3), None, Cursor(5, 1), False),
        (Cursor(5, 1), None, Cursor(5, 1), False),
        (Cursor(6, 1), Cursor(5, 9), Cursor(5, 9), True),
        (Cursor(6, 1), Cursor(5, 9), Cursor(5, 8), False),
        (Cursor(6, 1), None, Cursor(5, 9), False),
        (Cursor(6, 2), Cursor(5, 9), Cursor(5, 9), False),
        (Cursor(6, 1), START_CURSOR, START_CURSOR, True),
    ],
)
def test_an_event_follows_the_one_before_it_also_across_epochs(
    cursor: Cursor, prev: Cursor | None, before: Cursor, follows: bool
) -> None:
    assert Event(cursor, b"{}", "", "", "", 0, prev).follows(before) == follows

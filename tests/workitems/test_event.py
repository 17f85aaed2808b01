"""Cursors are read as strangers write them; events and JSON survive what older and newer programs put there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workitems.event import START, Cursor, Event, dumps

ENTRY = b"1763811111111-42"


@pytest.mark.parametrize("text", ["0-0", "1763811111111-42", "9999999999999999-9999999999999999"])
def test_a_cursor_reads_what_it_writes(text: str) -> None:
    assert str(Cursor.parse(text)) == text
    assert Cursor.parse(text.encode()) == Cursor.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "-", "1", "1-", "-1", "1-2-3", "+1-2", " 1-2", "1-2\n", "1-2 ", "1e3-4", "0x1-2", "$", "*", "1-*", "١-٢",
     "1" * 17 + "-1", "1-" + "1" * 17, "1-" + "9" * 1_000_000, b"\xff-\xff", "²-1"],
)  # fmt: skip
def test_what_is_no_cursor_is_none_and_no_error(text: str | bytes) -> None:
    assert Cursor.parse(text) is None


def test_cursors_are_ordered_by_epoch_and_then_by_number() -> None:
    assert START < Cursor(5, 9) < Cursor(5, 10) < Cursor(6, 1)


def test_an_event_is_read_from_its_entry() -> None:
    event = Event.decode(
        ENTRY, {b"data": b"{}", b"mailbox": b"claims", b"status": b"done", b"was": b"new", b"at": b"7"}
    )
    assert event == Event(Cursor(1763811111111, 42), b"{}", "claims", "done", "new", 7)


def test_an_entry_of_a_newer_program_is_read_as_far_as_it_is_known() -> None:
    assert Event.decode(ENTRY, {b"colour": b"blue", b"data": b"[]"}) == Event(
        Cursor(1763811111111, 42), b"[]", "", "", "", 0
    )
    assert Event.decode(ENTRY, {}).data == b"{}"


#: Halves of characters beyond the first plane, and what stands for them.
HALVES = [
    ("\ud83d", "�"),
    ("\ude00", "�"),
    ("\ud83da", "�a"),
    ("a\ude00b", "a�b"),
    ("\ud83d\ud83d", "��"),
    ("\ud83d\ude00", "😀"),
    ("\ude00\ud83d", "��"),
    ("😀\ud83d", "😀�"),
    ("\udcff", "�"),
]


@pytest.mark.parametrize(("text", "found"), HALVES)
def test_half_characters_never_reach_utf_8(text: str, found: str) -> None:
    written = dumps({"a": text, "b": 1})
    assert json.loads(written.encode()) == {"a": found, "b": 1}


def test_numbers_of_any_length_are_written_as_they_are() -> None:
    assert dumps([2**64, -(10**30), 0.1, 1e16]) == "[18446744073709551616,-1000000000000000000000000000000,0.1,1e+16]"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values)
def test_json_comes_back_as_it_was(value: object) -> None:
    assert json.loads(dumps(value).encode()) == value


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_string_at_all_is_written_as_utf_8(text: str) -> None:
    json.loads(dumps([text]).encode())


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
        (Cursor(6, 1), START, START, True),
    ],
)
def test_an_event_follows_the_one_before_it_also_over_the_border_of_an_epoch(
    cursor: Cursor, prev: Cursor | None, before: Cursor, follows: bool
) -> None:
    assert Event(cursor, b"{}", "", "", "", 0, prev).follows(before) == follows

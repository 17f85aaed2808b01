"""The encoding of the stream, byte by byte."""

import json

from hypothesis import given
from hypothesis import strategies as st

from server.stream import sse
from workitems.feed.event import Cursor, Event


def entry(n: int = 1, *, mailbox: str = "work", status: str = "new", was: str = "") -> Event:
    return Event(Cursor(7, n), b'{"event":"new_workitem","data":{}}', mailbox, status, was, 0)


def test_a_message_is_an_id_a_line_of_data_and_a_blank_line() -> None:
    assert sse.encode_message(b"{}", cursor=Cursor(7, 1)) == b"id: 7-1\ndata: {}\n\n"


@given(st.binary())
def test_no_content_breaks_out_of_its_message(data: bytes) -> None:
    framed = sse.encode_message(data)
    assert framed.endswith(b"\n\n")
    assert b"\0" not in framed
    assert b"\r" not in framed
    lines = framed[:-2].split(b"\n") if framed != b"\n" else []
    assert all(line.startswith(b"data: ") for line in lines)


def test_a_chunk_says_its_size_in_hexadecimal() -> None:
    assert sse.encode_chunk(b"x" * 31) == b"1f\r\n" + b"x" * 31 + b"\r\n"


def test_a_filter_gives_its_own_events_and_one_more_when_an_item_leaves() -> None:
    chosen = sse.StreamFilter(frozenset({"work"}), frozenset({"new"}))
    assert chosen.select_all([entry()]) == sse.encode_event(entry())
    assert chosen.select_all([entry(mailbox="other")]) == b""
    assert chosen.select_all([entry(status="done", was="done")]) == b""
    leaving = chosen.select_all([entry(status="done", was="new")])
    assert json.loads(leaving.split(b"data: ")[1])["left"] is True


def test_equal_filters_are_one_group() -> None:
    assert len({sse.StreamFilter(frozenset({"a", "b"})), sse.StreamFilter(frozenset({"b", "a"}))}) == 1

import asyncio
import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.imap import fetch_response
from worker.imap.errors import ProtocolError
from worker.imap.fetch_response import (
    Summary,
    Value,
    parse_internaldate,
    parse_number,
    parse_summary,
    section_bytes,
    split_batches,
)
from worker.imap.framing import ServerResponse


def items_by_uid(answers: list[ServerResponse]) -> dict[int, dict[bytes, Value]]:
    loop = asyncio.new_event_loop()  # asyncio.run would take away the loop of the test before, unclosed
    try:
        return loop.run_until_complete(fetch_response.parse_fetch(answers))
    finally:
        loop.close()


def one(*answer: bytes) -> dict[bytes, Value]:
    (items,) = items_by_uid([answer]).values()
    return dict(items)


def test_a_body_comes_as_literal_as_quoted_string_or_as_nil() -> None:
    told = items_by_uid(
        [
            (b"1 FETCH (UID 1 BODY[] {5}", b"a(b\r\n", b")"),
            (b'2 FETCH (BODY[] "sad :( \\"quoted\\" \\\\" UID 2)',),
            (b"3 FETCH (UID 3 BODY[] NIL)",),
            (b"4 FETCH (UID 4 FLAGS ())",),
            (b"5 fetch (uid 5 body[] ~{1}", b"x", b" FLAGS (\\Seen))"),
        ]
    )
    bodies = {uid: section_bytes(items, b"BODY[]") for uid, items in told.items()}
    assert bodies == {1: b"a(b\r\n", 2: b'sad :( "quoted" \\', 3: b"", 4: None, 5: b"x"}


def test_a_section_may_be_partial_and_hold_brackets() -> None:
    items = one(
        b"1 FETCH (UID 9 BODY[HEADER.FIELDS (TO CC)] NIL BODY[HEADER]<0> {2}", b"hi", b" FLAGS (A (B {1}", b")", b")))"
    )
    assert section_bytes(items, b"BODY[HEADER]") == b"hi"
    assert items[b"FLAGS"] == [b"A", b"B", b")"]


def test_fetch_responses_caused_by_other_clients_are_skipped_or_merged() -> None:
    told = items_by_uid(
        [
            (b"2 FETCH (FLAGS (\\Seen))",),
            (b"1 FETCH (UID 4 RFC822.SIZE 10)",),
            (b"1 FETCH (UID 4 FLAGS (\\Deleted))",),
            (b"3 EXISTS",),
            (b"",),
            (b"OK [ALERT] x",),
        ]
    )
    assert told == {4: {b"UID": b"4", b"RFC822.SIZE": b"10", b"FLAGS": [b"\\Deleted"]}}


def test_a_summary_is_read() -> None:
    date = b'INTERNALDATE " 1-Jul-1996 02:44:25 -0700"'
    items = items_by_uid([(b"7 FETCH (UID 42 RFC822.SIZE 44827 " + date + b" FLAGS (\\Seen $Forwarded [x))",)])
    when = datetime(1996, 7, 1, 9, 44, 25, tzinfo=UTC)
    assert parse_summary(42, items[42]) == Summary(42, 44827, when, frozenset({"\\Seen", "$Forwarded", "[x"}))


def test_a_message_without_a_size_is_an_error_and_not_a_message_that_is_gone() -> None:
    with pytest.raises(ProtocolError, match="UID 3"):
        parse_summary(3, {b"UID": b"3"})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"17-Foo-1996 02:44:25 -0700",
        b"31-Feb-2020 00:00:00 +0000",
        b"01-Jan-0001 00:00:00 +2300",
        b"1-Jan-2020",
        b"1-Jan-2020 00:00:00 +9999",
    ],
)
def test_an_internaldate_that_is_none_is_none(raw: bytes) -> None:
    assert parse_internaldate(raw) is None


@pytest.mark.parametrize("raw", [b"0", b"-1", b"4294967296", b"1e3", b"", "١".encode(), b"9" * 5000])
def test_a_wrong_number_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError, match="wrong UID; accepted are 1 to 4294967295"):
        parse_number(raw, "UID")


@pytest.mark.parametrize(
    "line",
    [
        b'1 FETCH (UID 1 BODY[] "open',
        b"1 FETCH (UID 1",
        b"1 FETCH (UID (1",
        b'1 FETCH ("' + b"a" * 65_000,
        b"1 FETCH (" + b"[" * 65_000,
        b"1 FETCH (" + b"(" * 65_000,
    ],
)
def test_a_broken_answer_is_an_error_soon(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        items_by_uid([(line,)])


@given(
    st.lists(st.text('(){}[]"\\ <>0aNIL\r').map(str.encode), min_size=1, max_size=5).map(
        lambda p: (b"1 FETCH (" + p[0], *p[1:])
    )
)
def test_no_answer_raises_anything_else(answer: tuple[bytes, ...]) -> None:
    with contextlib.suppress(ProtocolError):
        items_by_uid([answer])


def test_batches_are_bounded_by_count_and_by_bytes_and_a_large_message_comes_alone() -> None:
    sizes = [1000] * 120 + [50_000_000] + [3_000_000] * 3
    cut = list(split_batches(Summary(uid, size, None, frozenset()) for uid, size in enumerate(sizes, 1)))
    assert [len(batch) for batch in cut] == [50, 50, 20, 1, 1, 1, 1]
    assert [message.uid for batch in cut for message in batch] == list(range(1, 125))


def test_an_answer_of_many_values_ends_the_belief_in_it_before_it_holds_up_all_other_mailboxes() -> None:
    line = b"a b " * 10_000
    flood = [b"1 FETCH (UID 1 " + line + b"{0}", *(b"", line + b"{0}") * 50, b"", b"FLAGS ())"]
    began = time.process_time()
    with pytest.raises(ProtocolError, match="more than 2,500 values"):
        items_by_uid([tuple(flood)])
    assert time.process_time() - began < 2  # it was 15 s


@pytest.mark.parametrize("end", [b"{3}", b'"', b"\x00"])
def test_a_run_of_blanks_takes_no_longer_than_its_length(end: bytes) -> None:
    began = time.process_time()
    with contextlib.suppress(ProtocolError):
        items_by_uid([(b"1 FETCH (UID 5 BODY[]<0>" + b" " * 60_000 + end, b"abc", b")")])
    assert time.process_time() - began < 1  # searched for from each of them it was minutes


def test_unsolicited_items_are_dropped() -> None:
    answers = [(b"1 FETCH (UID 1 X%d 1 X-GM-LABELS (a b) BODY[TEXT] {1}" % n, b"x", b")") for n in range(100)]
    assert items_by_uid([*answers, (b"1 FETCH (FLAGS (\\Seen) UID 1)",)]) == {1: {b"UID": b"1", b"FLAGS": [b"\\Seen"]}}

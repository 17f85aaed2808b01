import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.imap.errors import LiteralTooLargeError, ProtocolError
from worker.imap.framing import Framer, ServerResponse

TALK = (
    b"* OK ready {3}\r\n"
    b"* 1 FETCH (UID 5 BODY[] {12}\r\nline\r\n) (\r\n( FLAGS ())\r\n"
    b'* 2 FETCH (UID 6 BODY[] "closing :( only" FLAGS (\\Seen))\r\n'
    b"* 3 FETCH (UID 7 BODY[] {0}\r\n)\r\n"
    b"\r\n"
    b"A1 NO sorry {7}\r\n"
    b"+ go {2}\r\n"
)
ANSWERS = [
    (b"* OK ready {3}",),
    (b"* 1 FETCH (UID 5 BODY[] {12}", b"line\r\n) (\r\n(", b" FLAGS ())"),
    (b'* 2 FETCH (UID 6 BODY[] "closing :( only" FLAGS (\\Seen))',),
    (b"* 3 FETCH (UID 7 BODY[] {0}", b"", b")"),
    (b"",),
    (b"A1 NO sorry {7}",),
    (b"+ go {2}",),
]


def framer(total: int = 1 << 20, literal: int = 1 << 20, line: int = 1 << 20) -> Framer:
    made = Framer()
    made.set_limits(total=total, literal=literal, line=line)
    return made


def feed_often(cutter: Framer, piece: bytes, times: int) -> None:
    for _ in range(times):
        list(cutter.feed(piece))


@given(st.lists(st.integers(0, len(TALK)), max_size=30))
def test_answers_do_not_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(TALK)]
    cutter = framer()
    answers: list[ServerResponse] = []
    for start, end in itertools.pairwise(places):
        answers += cutter.feed(TALK[start:end])
    assert answers == ANSWERS
    assert not cutter.has_partial


def test_ten_thousand_lines_at_once_are_ten_thousand_answers() -> None:
    assert len(list(framer(1 << 24).feed(b"* 1 FETCH (FLAGS ())\r\n" * 10_000))) == 10_000


def test_a_literal_above_the_limit_is_refused_at_its_announcement_with_the_uid() -> None:
    with pytest.raises(LiteralTooLargeError, match="4,000,000,000") as caught:
        list(framer(literal=100).feed(b"* 1 FETCH (UID 5 BODY[] {4000000000}\r\n"))
    assert caught.value.uids == (5,)


def test_a_line_without_an_end_is_refused() -> None:
    cutter = framer(line=1000)
    with pytest.raises(ProtocolError, match="line of more than 1,000"):
        feed_often(cutter, b"x" * 100, 20)


@pytest.mark.parametrize("junk", [b"\r\n", b"* 1 FETCH (A {0}\r\n {0}\r\n", b"* junk\r\n"])
def test_small_pieces_without_an_end_are_refused(junk: bytes) -> None:
    cutter = framer(total=100_000)
    with pytest.raises(ProtocolError, match="more than was asked"):
        feed_often(cutter, junk, 100_000)


def test_a_long_line_that_trickles_costs_time_in_proportion_to_its_length() -> None:
    cutter, piece = framer(1 << 24, line=1 << 24), b"1 " * 500
    started = time.process_time()
    for _ in range(8_000):
        list(cutter.feed(piece))
    assert [len(a[0]) for a in cutter.feed(b"\r\n")] == [8_000_000]
    assert time.process_time() - started < 5  # rescanned at every piece it takes minutes

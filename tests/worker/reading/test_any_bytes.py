"""No bytes make the reader raise, and every reading can be stored."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.invariants import check_reading
from worker.reading import FieldRule, read, read_headers

MESSAGES = sorted(path.read_bytes() for path in (Path(__file__).parents[2] / "messages").glob("*.eml"))
PIECES = [
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: text/html\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\n",
    b"Content-Disposition: attachment; filename*0*=\r\n",
    b"From: \r\n",
    b"Date: Mon, 99 Foo 2026\r\n",
    b"Subject: =?utf-8?b?\r\n",
    b"\r\n",
    b"--b\r\n",
    b"--b--\r\n",
    b"Policy number: ",
    b"Amount: 1.",
    b"Due date: 31.02.2026\r\n",
    b"On 1 wrote:\r\n",
    b"> ",
    b"<td>",
    b"<div style='display:none'>",
    b"\t",
    b"\xff\xfe",
    b"\xf0\x9f\x98\x80",
    b"\x1b$B",
]
RULES = [
    FieldRule("any", pattern=r"(\d+)|(x)"),
    FieldRule("rows", ("Policy",), type="table"),
    FieldRule("when", ("Due date",), type="datetime", order="MDY"),
    FieldRule("call", ("Phone",), type="phone", region="US"),
    FieldRule("count", ("Amount",), type="number"),
]


@settings(max_examples=150)
@given(st.binary(max_size=2000))
def test_arbitrary_bytes_are_read(raw: bytes) -> None:
    check_reading(read(raw))
    check_reading(read(raw, RULES))
    check_reading(read_headers(raw))


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=40))
def test_pieces_of_mail_in_any_order_are_read(pieces: list[bytes]) -> None:
    check_reading(read(b"".join(pieces)))
    check_reading(read(b"".join(pieces), RULES))


@settings(max_examples=200, suppress_health_check=[HealthCheck.large_base_example])
@given(st.sampled_from(MESSAGES), st.data())
def test_mutated_messages_are_read(raw: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, min(len(raw), start + 50)))
        raw = raw[:start] + data.draw(st.binary(max_size=20) | st.sampled_from(PIECES)) + raw[end:]
    check_reading(read(raw))

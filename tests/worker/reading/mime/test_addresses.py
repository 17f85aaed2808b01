"""Addresses are found in lists as people and programs write them."""

import pytest

from tests.support.cpu_time import cpu_seconds
from worker.reading import read
from worker.reading.mime.addresses import parse_addresses


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"a@b.example", [("", "a@b.example")]),
        (b"Jane Doe <Jane@B.example>", [("Jane Doe", "jane@b.example")]),
        (b'"Doe, Jane" <j@b.example>, k@b.example', [("Doe, Jane", "j@b.example"), ("", "k@b.example")]),
        (b"j@b.example (Jane)", [("Jane", "j@b.example")]),
        (b"Team: a@b.example, c@d.example;", [("", "a@b.example"), ("", "c@d.example")]),
        (b"undisclosed-recipients:;", []),
        (b"=?utf-8?q?M=C3=BCller=2C_J?= <m@b.example>", [("Müller, J", "m@b.example")]),
        (b"=?utf-8?q?J=C3=B6rg_=3Cj=40b=2Eexample=3E?=", [("Jörg", "j@b.example")]),
        (b"Jane <jane@b.example", [("Jane", "jane@b.example")]),
        (b"<>", []),
        (b"root", [("", "root")]),
        (b"John <john@machine(of his).example>", [("John", "john@machine.example")]),
        (b"The Front Desk", [("The Front Desk", "")]),
        (b"a@b.example; c@d.example", [("", "a@b.example"), ("", "c@d.example")]),
        (b"x@y.example <real@b.example>", [("x@y.example", "real@b.example")]),
        (b'"bob@b.example"@e.example', [("", '"bob@b.example"@e.example')]),
        (b'"bob@b.example, x" @ e.example, c@d.example', [("", '"bob@b.example,x"@e.example'), ("", "c@d.example")]),
        (b'Eve "bob@b.example\\""@e.example', [("Eve", '"bob@b.example\\""@e.example')]),
        (b'"bob@b.example" eve@e.example', [("bob@b.example", "eve@e.example")]),
        (b'"Bob <bob@b.example>" eve@e.example', [("Bob <bob@b.example>", "eve@e.example")]),
        (b'"Bob <bob@b.example>"', [("Bob", "bob@b.example")]),
        (b'"Jane <jane@b.example>', [("Jane", "jane@b.example")]),
        (b"", []),
        (None, []),
    ],
)
def test_each_address_is_found_with_its_name(raw: bytes | None, found: list[tuple[str, str]]) -> None:
    assert parse_addresses(raw, 10) == found


def test_addresses_over_the_limit_are_left_out() -> None:
    assert len(parse_addresses(b", ".join(b"u%d@b.example" % n for n in range(3000)), 200)) == 200


def test_comments_nested_a_thousand_levels_deep_cause_no_recursion() -> None:
    assert parse_addresses(b"(" * 1000 + b")" * 1000 + b"a@b.example", 10)[0][1] == "a@b.example"


@pytest.mark.parametrize("start", ['"', '\\"', '"@', '"_', '"a\\', '""@', '""  '])
def test_quotes_take_work_that_grows_with_their_number(start: str) -> None:
    small, large = (('x"' + start * count).encode() for count in (1_000, 16_000))
    assert cpu_seconds(lambda: parse_addresses(large, 10)) < 80 * cpu_seconds(lambda: parse_addresses(small, 10))


@pytest.mark.parametrize(
    ("head", "is_one"),
    [
        (b"From: Bob@B.example", True),
        (b'From: "Bob, B." <bob@b.example>', True),
        (b"From: =?utf-8?q?J=C3=B6rg?=\r\n <j@b.example>", True),
        ("From: Jörg <jörg@b.example>".encode(), True),
        (b'From: "bob@b.example"@e.example', True),
        (b"From: bob@b.example (Bob)", True),
        (b"From: bob@b.example\r\nFrom: eve@e.example", False),
        (b"From : bob@b.example\r\nFrom: eve@e.example", False),
        (b"From: bob@b.example, eve@e.example", False),
        (b"From: =?utf-8?q?bob=40b.example?=", False),
        (b'From: "bob@b.example" <eve>', False),
        (b"From: Bob", False),
        (b"Sender: bob@b.example", False),
    ],
)
def test_a_mail_has_one_sender_when_all_programs_find_the_same_one(head: bytes, is_one: bool) -> None:
    assert read(head + b"\r\nSubject: A letter\r\n\r\nHello.\r\n").has_one_sender == is_one


def test_control_characters_are_no_part_of_an_address() -> None:
    assert parse_addresses(b"desk@tub\x01\x00ost.example, x\x02 <d\x02@e.example>", 9) == [
        ("", "desk@tubost.example"),
        ("x", "d@e.example"),
    ]

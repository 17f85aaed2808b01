"""Base64 is decoded however it is written; what is none gives a reason instead of an error."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.intake.posted_files import EMPTY, UNDECODABLE, file_in_base64
from tests.support.cpu_time import cpu_seconds

BYTES = bytes(range(256)) * 3
ENCODED = base64.b64encode(BYTES).decode()


def octets(content: Any) -> bytes:
    return b"".join(file_in_base64("a", "a/b", content).content())


def lines(end: str) -> Callable[[str], str]:
    return lambda text: end.join(text[at : at + 76] for at in range(0, len(text), 76)) + end


@pytest.mark.parametrize(
    "written",
    [
        lines("\r\n"),
        lines("\n"),
        lines("\r"),
        lines(" "),
        lines("\n\t "),
        lines("\u2028"),
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: text.replace("+", "-"),
        lambda text: text.rstrip("="),
        lambda text: text + "=",
        lambda text: lines("\r\n")(text.replace("/", "_").rstrip("=")),
    ],
)
@pytest.mark.parametrize("length", [768, 767, 766])
def test_base64_is_decoded_however_it_is_written(written: Callable[[str], str], length: int) -> None:
    assert octets(written(base64.b64encode(BYTES[:length]).decode())) == BYTES[:length]


def test_content_of_many_slices_is_decoded() -> None:
    content = BYTES * 1_000 + b"x"
    assert octets(lines("\r\n")(base64.b64encode(content).decode())) == content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, EMPTY),
        ("", EMPTY),
        (" \r\n", EMPTY),
        ("====", EMPTY),
        ("Q", UNDECODABLE),
        ("QQ==QQ==", UNDECODABLE),
        ("QUJD%", UNDECODABLE),
        ("data:a/b;base64,QQ==", UNDECODABLE),
        ("QUJD\0", UNDECODABLE),
        ("QUJDé", UNDECODABLE),
        ("\ud800", UNDECODABLE),
        (0, UNDECODABLE),
        (False, UNDECODABLE),
        ([], UNDECODABLE),
        ({"a": 1}, UNDECODABLE),
    ],
)
def test_content_that_is_no_base64_gives_a_file_without_content(content: Any, reason: str) -> None:
    file = file_in_base64("a.pdf", "application/pdf", content, "pic@x")
    assert (file.filename, file.content_type, file.unread, file.content_id) == ("a.pdf", "application/pdf", reason, "")
    assert list(file.content()) == []


@given(st.text(max_size=80))
def test_any_text_is_decoded_or_gives_a_reason(content: str) -> None:
    file = file_in_base64("a", "a/b", content)
    assert bool(b"".join(file.content())) != bool(file.unread)


@pytest.mark.parametrize("hostile", [" ", "=", "=A", "%", "é", "A "])
def test_hostile_content_costs_about_as_much_as_an_ordinary_one(hostile: str) -> None:
    ordinary, content = ENCODED * 2_000, hostile * (len(ENCODED) * 2_000 // len(hostile))
    assert cpu_seconds(lambda: octets(content)) < 20 * cpu_seconds(lambda: octets(ordinary))

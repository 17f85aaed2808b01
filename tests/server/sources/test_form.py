"""Posted forms, in any pieces and from anybody."""

import time
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sources import form as module
from server.sources.form import LONGEST_HEAD, MOST_FIELDS, Form, is_form, read_form
from tests.support.forms import BOUNDARY, multipart, urlencoded
from workitems.errors import InvalidChangeError


def taken_apart(kind: str, body: bytes) -> Form:
    return read_form(kind, BytesIO(body), BytesIO())


def values(form: Form) -> list[tuple[str, bytes]]:
    return [(field.name, b"".join(form.octets(field))) for field in form.fields]


NAMES = st.text("abcdefghijkl-_ä", min_size=1, max_size=20)
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=300)), max_size=8)


@given(FIELDS, st.integers(1, 40))
def test_a_form_comes_back_whatever_its_values_and_pieces(fields: list[tuple[str, bytes]], piece: int) -> None:
    fields = [(name, value.replace(BOUNDARY.encode(), b"")) for name, value in fields]
    before, module._PIECE = module._PIECE, piece
    try:
        for made in (multipart, urlencoded):
            assert values(taken_apart(*made(*fields))) == fields if fields or made is urlencoded else True
    finally:
        module._PIECE = before


def test_files_have_a_name_and_a_type() -> None:
    form = taken_apart(*multipart(("a", b"text"), ("b", b"\x00\xff", "Übersicht.pdf", "application/pdf")))
    assert [(f.name, f.filename, f.content_type, f.size) for f in form.fields] == [
        ("a", None, "", 4), ("b", "Übersicht.pdf", "application/pdf", 2),
    ]  # fmt: skip
    assert form.value("b", most=1) == b"\x00"
    assert form.text("a") == "text"
    assert form.text("missing") == ""


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x\r\n\r\n\r\n--x--"),
        ("multipart/form-data; boundary=", b"--x--"),
        (f"multipart/form-data; boundary={'x' * 5_000}", b""),
        (multipart()[0], b""),
        (multipart()[0], b"no form at all"),
        (multipart()[0], multipart(("a", b"b"))[1][:-8]),
        (multipart()[0], multipart(("a", b"b"))[1][:30]),
        (multipart()[0], f"--{BOUNDARY}\r\n{'a' * (LONGEST_HEAD + 1)}: b\r\n\r\n\r\n--{BOUNDARY}--".encode()),
        (multipart()[0], multipart(("n" * 100_000_0, b"b"))[1]),
        (multipart()[0], multipart(*[("a", b"b")] * 10_000)[1]),
        (urlencoded()[0], urlencoded(*[("a", b"b")] * 10_000)[1]),
        (urlencoded()[0], b"&" * 5_000_000),
        (urlencoded()[0], b"n" * 5_000_000),
    ],
)
def test_what_is_no_form_is_refused_at_once(kind: str, body: bytes) -> None:
    start = time.process_time()
    with pytest.raises(InvalidChangeError):
        taken_apart(kind, body)
    assert time.process_time() - start < 1


def test_as_many_fields_as_are_allowed_are_read() -> None:
    assert len(taken_apart(*multipart(*[("a", b"b")] * MOST_FIELDS)).fields) == MOST_FIELDS


def test_a_form_inside_a_form_is_a_value() -> None:
    inner = multipart(("a", b"b"))[1].replace(BOUNDARY.encode(), b"inner")
    assert values(taken_apart(*multipart(("outer", inner)))) == [("outer", inner)]


@pytest.mark.parametrize(("kind", "is_one"), [
    ("multipart/form-data; boundary=x", True), ("Multipart/Form-Data; boundary=x", True),
    ("application/x-www-form-urlencoded", True), ("application/json", False), ("", False), ("multipart/mixed", False),
])  # fmt: skip
def test_forms_are_known_by_their_type(kind: str, is_one: bool) -> None:
    assert is_form(kind) is is_one


def test_percent_signs_that_escape_nothing_stand_as_they_are_and_cost_little() -> None:
    began = time.process_time()
    form = taken_apart(urlencoded()[0], b"a=" + b"%" * 2_000_000 + b"%4%41%zz+%2b%")
    assert values(form) == [("a", b"%" * 2_000_000 + b"%4A%zz +%")]
    assert time.process_time() - began < 1  # it was 4

"""Forms in pieces of any size and from any sender."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.intake.sources import form as module
from server.intake.sources.form import MAX_FIELDS, MAX_HEAD, Form, is_form, read_form
from tests.support.cpu_time import cpu_seconds
from tests.support.forms import BOUNDARY, multipart, urlencoded
from workitems.base.errors import InvalidChangeError


def parse(kind: str, body: bytes) -> Form:
    return read_form(kind, BytesIO(body), BytesIO())


def values(form: Form) -> list[tuple[str, bytes]]:
    return [(field.name, b"".join(form.octets(field))) for field in form.fields]


NAMES = st.text("abcdefghijkl-_ä", min_size=1, max_size=20)
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=300)), max_size=8)


@given(FIELDS, st.integers(1, 40))
def test_a_form_is_read_back_whatever_its_values_and_pieces(fields: list[tuple[str, bytes]], piece: int) -> None:
    fields = [(name, value.replace(BOUNDARY.encode(), b"")) for name, value in fields]
    before, module._PIECE = module._PIECE, piece
    try:
        for made in (multipart, urlencoded):
            assert values(parse(*made(*fields))) == fields if fields or made is urlencoded else True
    finally:
        module._PIECE = before


def test_files_have_a_name_and_a_type() -> None:
    form = parse(*multipart(("a", b"text"), ("b", b"\x00\xff", "Übersicht.pdf", "application/pdf")))
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
        (multipart()[0], f"--{BOUNDARY}\r\n{'a' * (MAX_HEAD + 1)}: b\r\n\r\n\r\n--{BOUNDARY}--".encode()),
        (multipart()[0], multipart(("n" * 100_000_0, b"b"))[1]),
        (multipart()[0], multipart(*[("a", b"b")] * 10_000)[1]),
        (urlencoded()[0], urlencoded(*[("a", b"b")] * 10_000)[1]),
        (urlencoded()[0], b"&" * 5_000_000),
        (urlencoded()[0], b"n" * 5_000_000),
    ],
)
def test_a_body_that_is_no_form_is_refused_cheaply(kind: str, body: bytes) -> None:
    def refused() -> None:
        with pytest.raises(InvalidChangeError):
            parse(kind, body)

    ordinary = urlencoded(("a", b"x" * 5_000_000))
    assert cpu_seconds(refused) < 10 * cpu_seconds(lambda: parse(*ordinary)), "it is less than 1"


def test_the_largest_number_of_fields_is_read() -> None:
    assert len(parse(*multipart(*[("a", b"b")] * MAX_FIELDS)).fields) == MAX_FIELDS


def test_a_form_inside_a_value_is_not_parsed() -> None:
    inner = multipart(("a", b"b"))[1].replace(BOUNDARY.encode(), b"inner")
    assert values(parse(*multipart(("outer", inner)))) == [("outer", inner)]


@pytest.mark.parametrize(("kind", "is_one"), [
    ("multipart/form-data; boundary=x", True), ("Multipart/Form-Data; boundary=x", True),
    ("application/x-www-form-urlencoded", True), ("application/json", False), ("", False), ("multipart/mixed", False),
])  # fmt: skip
def test_forms_are_known_by_their_type(kind: str, is_one: bool) -> None:
    assert is_form(kind) is is_one


def test_percent_signs_without_digits_are_text_and_cost_little() -> None:
    kind = urlencoded()[0]
    form = parse(kind, b"a=" + b"%" * 2_000_000 + b"%4%41%zz+%2b%")
    assert values(form) == [("a", b"%" * 2_000_000 + b"%4A%zz +%")]
    lone = cpu_seconds(lambda: parse(kind, b"a=" + b"%" * 2_000_000))
    escapes = cpu_seconds(lambda: parse(kind, b"a=" + b"%41" * 666_666))
    assert lone < 5 * escapes, "it is 0.4; with the function of the library it was 25"

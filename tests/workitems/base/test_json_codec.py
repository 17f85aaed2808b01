"""JSON is written so that every reader understands it, whatever text and numbers it holds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workitems.base.json_codec import encode_json_str

#: Lone surrogates (halves of characters beyond the first plane), and what is written instead of them.
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
def test_lone_surrogates_are_never_written(text: str, found: str) -> None:
    written = encode_json_str({"a": text, "b": 1})
    assert json.loads(written.encode()) == {"a": found, "b": 1}


def test_numbers_of_any_length_are_written_as_they_are() -> None:
    assert (
        encode_json_str([2**64, -(10**30), 0.1, 1e16])
        == "[18446744073709551616,-1000000000000000000000000000000,0.1,1e+16]"
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values)
def test_json_is_read_back_unchanged(value: object) -> None:
    assert json.loads(encode_json_str(value).encode()) == value


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_string_is_written_as_utf_8(text: str) -> None:
    json.loads(encode_json_str([text]).encode())

"""The stored text has plain spaces and lines, and offsets as a browser counts them."""

from hypothesis import given
from hypothesis import strategies as st

from worker.reading.text.plain import Utf16Offsets, normalize_text, unflow


def test_unusual_spaces_and_hyphens_become_plain_and_characters_without_width_are_removed() -> None:
    assert normalize_text("a\u00a0b\u2011c\u00add\u200be\ufefff", 100) == ("a b-cdef", False)


def test_line_ends_become_lf_and_control_characters_are_removed() -> None:
    assert normalize_text("a\r\nb\rc\x00\x07 \t\r\n\r\n\r\n\r\n\r\nd", 100)[0] == "a\nb\nc\n\n\nd"


def test_lone_surrogates_are_removed_so_that_the_text_can_be_stored() -> None:
    normalize_text("a\ud800b", 10)[0].encode()


def test_data_uris_are_not_in_the_text() -> None:
    assert normalize_text("see data:image/png;base64,QUJD+/= end", 100)[0] == "see  end"


def test_long_text_is_truncated_and_reported() -> None:
    assert normalize_text("a" * 50, 20) == ("a" * 20, True)


def test_flowed_lines_are_joined_but_not_the_mark_of_a_signature() -> None:
    assert (
        unflow("one \r\ntwo\r\n> three \r\n> four\r\n-- \r\nme", delete_space=False) == "one two\n> three four\n-- \nme"
    )
    assert unflow("fo \no", delete_space=True) == "foo"


@given(st.text(), st.data())
def test_utf16_offsets_give_the_same_text_as_python_offsets(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    count = Utf16Offsets(text)
    units = text.encode("utf-16-le")
    assert units[2 * count(start) : 2 * count(end)].decode("utf-16-le") == text[start:end]

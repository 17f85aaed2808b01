from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.imap.quoting import (
    LONGEST_SET,
    MAX_NUMBER,
    MAX_UIDS_PER_COMMAND,
    encode_folder_name,
    encode_strings,
    format_search_date,
    split_uid_sets,
)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("INBOX", '"INBOX"'),
        ("My Folder", '"My Folder"'),
        ("Bücher", '"B&APw-cher"'),
        ("R&D", '"R&-D"'),
        ("~peter/mail/台北/日本語", '"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'),  # the example of RFC 3501 §5.1.3
        ('a "b" \\c', '"a \\"b\\" \\\\c"'),
        ("📬", '"&2D3c7A-"'),
        ("line\r\nbreak", '"line&AA0ACg-break"'),
    ],
)
def test_a_folder_is_written_in_modified_utf_7_and_quoted(name: str, written: str) -> None:
    assert encode_folder_name(name) == written


@given(st.text())
def test_no_folder_name_can_end_the_line(name: str) -> None:
    assert encode_folder_name(name).isascii()
    assert encode_folder_name(name).isprintable()


def test_printable_strings_are_quoted_and_others_are_literals() -> None:
    assert encode_strings("dom ain\\user", 'p"w') == ('"dom ain\\\\user" "p\\"w"', [])
    assert encode_strings("bücher", "größe") == ("{7}", ["bücher".encode() + b" {7}", "größe".encode()])
    assert encode_strings("a", "two\r\nlines") == ('"a" {10}', [b"two\r\nlines"])
    assert encode_strings("ü", "plain") == ("{2}", ["ü".encode() + b' "plain"'])
    assert encode_strings("", "") == ('"" ""', [])
    with pytest.raises(ValueError, match="NUL"):
        encode_strings("a\0b")


def test_neighbouring_uids_are_written_as_ranges() -> None:
    assert list(split_uid_sets([1, 2, 3, 7, 9, 10])) == [([1, 2, 3, 7, 9, 10], "1:3,7,9:10")]
    assert list(split_uid_sets([])) == []


@given(st.sets(st.integers(1, 2000) | st.integers(1, MAX_NUMBER), max_size=2000))
def test_long_uid_lists_become_short_commands_that_name_each_uid_once(uids: set[int]) -> None:
    named = []
    for chunk, text in split_uid_sets(sorted(uids)):
        assert len(text) <= LONGEST_SET
        assert len(chunk) <= MAX_UIDS_PER_COMMAND
        spans = [span.partition(":") for span in text.split(",")]
        written = [uid for first, _, end in spans for uid in range(int(first), int(end or first) + 1)]
        assert written == chunk
        named += chunk
    assert named == sorted(uids)


def test_uid_zero_is_never_asked_for() -> None:
    with pytest.raises(ValueError, match="0 is not a UID"):
        list(split_uid_sets([0, 1]))


def test_a_search_date_is_english_and_not_quoted() -> None:
    assert format_search_date(date(2026, 3, 5)) == "5-Mar-2026"
    assert format_search_date(date(987, 12, 31)) == "31-Dec-0987"

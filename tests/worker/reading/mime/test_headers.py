"""Header fields of real mail are read, also those with faults."""

import pytest

from worker.reading import read
from worker.reading.limits import ReadingLimits
from worker.reading.mime import headers


def block(raw: bytes) -> headers.Headers:
    return headers.parse_headers(raw, 0, len(raw), ReadingLimits())[0]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?b?R3LDvA==?= =?utf-8?b?w58=?=", "Grüß"),
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"=?iso-8859-1*en?q?caf=E9?=", "café"),
        (b"=?utf-8?q?with spaces inside?=", "with spaces inside"),
        (b"=?x-martian?q?caf=C3=A9?=", "café"),
        (b"=?utf-8?q?line=0D=0Abreak?=", "line break"),
        (b"R\xfcckfrage", "Rückfrage"),
        ("Rückfrage".encode(), "Rückfrage"),
        (b"=?utf-8?q?unclosed", "=?utf-8?q?unclosed"),
        (b"a\r\n  folded\tvalue", "a folded value"),
    ],
)
def test_encoded_words_and_raw_bytes_become_text(raw: bytes, text: str) -> None:
    assert headers.decode_text(raw) == text


@pytest.mark.parametrize(
    ("raw", "when"),
    [
        (b"Mon, 2 Feb 2026 10:00:00 +0100", "2026-02-02T09:00:00Z"),
        (b"Mon, 2 Feb 2026 10:00:00 +0100 (CET)", "2026-02-02T09:00:00Z"),
        (b"2 Feb 26 10:00 GMT", "2026-02-02T10:00:00Z"),
        (b"Mon, 2 Feb 2026 29:00:00 +0000", None),
        (b"Mon, 30 Feb 2026 10:00:00 +0000", None),
        (b"Mon, 2 Feb 0101 10:00:00 +0000", None),
        (b"Thu, 1 Jan 1970 00:00:00 +0000", None),
        (b"Mon, 2 Feb 2026 10:00:00 +999999999", None),
        (b"yesterday", None),
        (b"", None),
        (None, None),
    ],
)
def test_a_date_is_utc_or_nothing(raw: bytes | None, when: str | None) -> None:
    assert headers.parse_date(raw) == when


@pytest.mark.parametrize(
    ("raw", "identity"),
    [
        (b" <a@b>", "<a@b>"),
        (b"<[4711]@b>", "<[4711]@b>"),
        (b"a@b", "<a@b>"),
        (b"junk <a@b> junk", "<a@b>"),
        (b"  ", None),
        (None, None),
    ],
)
def test_a_message_id_always_has_angle_brackets(raw: bytes | None, identity: str | None) -> None:
    assert headers.parse_message_id(raw) == identity


def test_the_nearest_parent_comes_first_and_each_parent_once() -> None:
    found = block(b"References: <root@x>\r\n <mid@x> <near@x>\r\nIn-Reply-To: your mail <near@x>\r\n\r\n")
    assert headers.parse_references(found) == ("<near@x>", "<mid@x>", "<root@x>")


def test_only_the_nearest_fifty_of_a_thousand_references_are_kept() -> None:
    found = block(b"References: " + b" ".join(b"<%d@x>" % n for n in range(1000)) + b"\r\n\r\n")
    assert headers.parse_references(found) == tuple(f"<{n}@x>" for n in range(999, 949, -1))


def test_a_line_without_a_colon_does_not_end_the_headers_when_a_field_follows() -> None:
    found = block(b"Subject: a\r\njunk line\r\nFrom: b@c\r\n\r\nbody")
    assert (found.text("from"), found.is_broken) == ("b@c", True)


def test_parameters_in_pieces_are_joined_and_decoded() -> None:
    value = b"attachment; filename*0*=iso-8859-1''Sch%E4; filename*1=den; filename*2=.txt; size=3"
    assert headers.parse_parameters(value) == ("attachment", {"filename": "Schäden.txt", "size": "3"})


def test_a_semicolon_in_quotes_is_part_of_the_value() -> None:
    assert headers.parse_parameters(b'text/plain; name="a;b \\" c"')[1] == {"name": 'a;b " c'}


def test_a_type_has_no_other_characters_than_those_of_tokens() -> None:
    assert headers.parse_parameters(b"application/p\x88d\xc3\xa9f\x00; name=a\xe9.pdf")[0] == "application/pdf"
    raw = b"Content-Type: text/plai\x88; charset=utf-8\r\n\r\nhi"
    assert [file.type for file in read(raw).attachments] == ["text/plai"]

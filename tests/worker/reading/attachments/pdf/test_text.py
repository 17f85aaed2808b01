"""PDFs are read within a budget, and only what repeats or grows without end costs a file its text."""

import base64
import zlib

import pytest
from pypdf.generic import _font

from tests.support.hostile.builders import drawing, pages, relinked, stream
from tests.support.hostile.pdfs import filtered, mapped
from worker.reading import ReadingLimits
from worker.reading.attachments.library_guard import TOO_COMPLEX, UnreadableError
from worker.reading.attachments.pdf.text import pdf_text
from worker.reading.attachments.work import Work

TEXT = drawing(b"(Policy number: AB-12345) Tj")


def read(content: bytes, work: Work | None = None) -> str:
    return "".join(pdf_text(content, ReadingLimits(), work or Work(10**9, 10**9)))


@pytest.mark.parametrize(
    ("filters", "data"),
    [
        (b"/FlateDecode", zlib.compress(TEXT)),
        (b"/FlateDecode", zlib.compress(TEXT)[:-6]),  # without its checksum
        (b"/FlateDecode", b"\x78\x9c" + zlib.compress(TEXT, 9, -15) + b"wrong"),
        (b"/ASCII85Decode", base64.a85encode(TEXT) + b"~>"),
        (b"/ASCIIHexDecode", TEXT.hex().encode() + b">"),
        (b"/RunLengthDecode", bytes([len(TEXT) - 1]) + TEXT + b"\x80"),
        (b"[/ASCII85Decode/FlateDecode]", base64.a85encode(zlib.compress(TEXT)) + b"~>"),
        (b"[/FlateDecode]", zlib.compress(TEXT)),
    ],
)
def test_streams_are_decoded_by_each_filter(filters: bytes, data: bytes) -> None:
    assert read(filtered(filters, data)).strip() == "Policy number: AB-12345"


def test_rows_that_are_stored_as_differences_are_added_up() -> None:
    rows = b"".join(b"\2" + bytes([(byte - before) % 256]) for before, byte in zip(b"\0" + TEXT, TEXT, strict=False))
    made = filtered(b"/FlateDecode", zlib.compress(rows), b"/DecodeParms<</Predictor 12/Columns 1>>")
    assert read(made).strip() == "Policy number: AB-12345"


def test_each_font_is_read_once_and_the_library_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    read_fonts = []
    library = _font.Font.__dict__["from_font_resource"]
    monkeypatch.setattr(
        _font, "get_encoding", lambda font, known=_font.get_encoding: read_fonts.append(1) or known(font)
    )
    assert read(pages(TEXT, TEXT, TEXT)).count("AB-12345") == 3
    assert len(read_fonts) == 1
    assert _font.Font.__dict__["from_font_resource"] is library


def test_characters_are_taken_from_the_map_of_a_font() -> None:
    assert read(mapped(b"(ab) Tj", b"2 beginbfchar\n<61> <0066006C>\n<62> <D83DDE00>\nendbfchar")).strip() == "fl😀"


def test_text_in_forms_is_read_each_time_and_counted_each_time() -> None:
    form = stream(drawing(b"(stamp) Tj"), b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<</Font<</F 3 0 R>>>>")
    made = pages(TEXT + b" /X Do /X Do", resources=b"/XObject<</X 6 0 R>>", more=(form,))
    assert read(made).split() == ["Policy", "number:", "AB-12345", "stamp", "stamp"]
    costs = []
    for each in (made, made.replace(b"/X 6", b"/Y 6")):
        work = Work(10**6, 10**6)
        read(each, work)
        costs.append(10**6 - work.left)
    assert costs[0] > costs[1] + 40


def test_a_damaged_form_costs_the_page_nothing() -> None:
    form = b"<</Type/XObject/Subtype/Form/Filter/None/Length 1>>stream\nx\nendstream"
    made = pages(b"/X Do " + TEXT, resources=b"/XObject<</X 6 0 R>>", more=(form,))
    assert read(made).strip() == "Policy number: AB-12345"


def test_pages_before_the_end_of_the_budget_are_read() -> None:
    costly = drawing(b"(a) Tj " * 5_000)
    found = pdf_text(pages(TEXT, costly, TEXT), ReadingLimits(), Work(40_000, 40_000))
    assert next(found) == "Policy number: AB-12345\n"
    with pytest.raises(UnreadableError) as error:
        list(found)
    assert error.value.reason == TOO_COMPLEX


def test_the_same_file_costs_the_same_each_time() -> None:
    left = []
    for _ in range(2):
        work = Work(10**6, 10**6)
        read(relinked(pages(TEXT, TEXT)), work)
        left.append(work.left)
    assert left[0] == left[1] < 10**6

"""Filled forms are read with the words beside their fields; a scan without text says so."""

import pytest

from tests.support.hostile.builders import pages, stream
from tests.worker.reading.mails import with_file
from worker.reading import Reading, read
from worker.reading.attachments.library_guard import SCAN


def _reading(content: bytes) -> Reading:
    return read(with_file("form.pdf", "application/pdf", content))


def _form(*widgets: bytes, words: bytes = b"") -> bytes:
    drawn = b"BT /F 12 Tf " + words + b" ET"
    page = pages(drawn)
    annotations = b"/Annots [" + b" ".join(widgets) + b"] /Contents"
    return page.replace(b"/Contents", annotations, 1)


def _field(rectangle: str, value: str, more: str = "/FT /Tx /T (a_name)") -> bytes:
    return f"<< /Type /Annot /Subtype /Widget {more} /Rect [{rectangle}] /V {value} >>".encode()


WORDS = b"1 0 0 1 72 700 Tm (Claim number:) Tj 1 0 0 1 72 660 Tm (Policy Number) Tj"


def test_a_field_has_the_words_to_its_left_as_its_label() -> None:
    reading = _reading(_form(_field("200 695 400 715", "(CL-4711)"), words=WORDS))
    assert reading.fields["claim_number"] == "CL-4711"


def test_a_field_below_its_words_has_them_as_its_label() -> None:
    reading = _reading(_form(_field("72 630 400 652", "(AB-12345)"), words=WORDS))
    assert reading.fields["policy_number"] == "AB-12345"


def test_a_field_without_words_has_its_description_or_its_name() -> None:
    described = _field("300 100 400 120", "(CL-4711)", "/FT /Tx /T (x1) /TU (Claim number)")
    named = _field("300 60 400 80", "(AB-12345)", "/FT /Tx /T (policy_number)")
    assert _reading(_form(described, named, words=WORDS)).fields == {
        "claim_number": "CL-4711",
        "policy_number": "AB-12345",
    }


def test_boxes_that_are_not_ticked_and_empty_fields_have_no_value() -> None:
    empty = _field("200 695 400 715", "()")
    box = _field("200 655 400 675", "/Off", "/FT /Btn /T (box)")
    assert _reading(_form(empty, box, words=WORDS)).fields == {}


WRITTEN = b"1 0 0 1 72 700 Tm (Claim number: CL-4711) Tj 1 0 0 1 72 660 Tm (Policy Number) Tj"
BROKEN = [
    b"null",
    b"3",
    b"<< >>",
    b"99 0 R",
    b"<< /Subtype /Widget /FT /Tx /V << >> /Parent 3 >>",
    b"<< /Subtype /Widget /FT /Tx /V (x) /Rect 7 >>",
    b"<< /Subtype /Widget /FT /Tx /V (x) /Rect [null null null null] >>",
    b"<< /Subtype /Widget /FT /Tx /V (x) /Rect [/A /B /C /D] >>",
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_field_costs_neither_the_text_nor_the_other_fields(broken: bytes) -> None:
    good = _field("200 655 400 675", "(AB-12345)")
    reading = _reading(_form(broken, good, words=WRITTEN))
    assert (reading.fields["claim_number"], reading.fields["policy_number"]) == ("CL-4711", "AB-12345")
    assert reading.flags == ()


def test_annotations_that_are_no_list_cost_nothing() -> None:
    content = _form(words=WRITTEN).replace(b"/Annots []", b"/Annots  7")
    assert _reading(content).fields["claim_number"] == "CL-4711"


def test_a_scan_without_text_says_so() -> None:
    image = stream(b"\0", b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8")
    content = pages(b"q 1 0 0 1 0 0 cm /I Do Q", resources=b"/XObject << /I 6 0 R >>", more=(image,))
    (file,) = _reading(content).attachments
    assert file.unread == SCAN

"""The type of a file is what its content shows; name and declared type decide only where nothing shows it."""

import io
import zipfile

import pytest

from tests.support.ole_file import ole_file
from worker.reading.attachments.file_types import choose_type, detect_type

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def _zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"junk before\n%PDF-1.4\n", "application/pdf"),
        (_zip("[Content_Types].xml", "word/document.xml"), WORD),
        (_zip("xl/workbook.xml"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (_zip("a.txt"), "application/zip"),
        (_zip("mimetype").replace(b"mimetypex", b"mimetypeapplication/vnd.oasis.opendocument.text"),
         "application/vnd.oasis.opendocument.text"),
        (ole_file({"__properties_version1.0": b"x"}), "application/vnd.ms-outlook"),
        (ole_file({"WordDocument": b"x"}), "application/msword"),
        (ole_file({"Other": b"x"}), None),
        (b"{\\rtf1 Hi}", "application/rtf"),
        (b"\x78\x9f\x3e\x22", "application/ms-tnef"),
        (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
        (b"\xef\xbb\xbfBEGIN:VCALENDAR\r\n", "text/calendar"),
        (b"begin:vcard\n", "text/vcard"),
        (b"\n<!DOCTYPE html><p>Hi", "text/html"),
        (b"From: a@b.example\r\nTo: c@d.example\r\nDate: Mon, 2 Mar 2026 10:00:00 GMT\r\n\r\nHi", "message/rfc822"),
        (b"Received: a\n" * 400 + b"From: a@b.example\n\nHi", "message/rfc822"),
        (b"From: a@b.example\r\nTo: c@d.example\r\nDate: Mon, 2 Mar 2026\r\nHi", None),
        (b"From: 2026-01-01\nTo: 2026-12-31\nSubject: Cover\n\nPremium: EUR 500\n", None),
        (b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0", "application/vnd.microsoft.portable-executable"),
        (b"MZ-Nr;Name;Betrag\n1;Meier;100\n", None),
        (b"Export of %PDF- files\n", None),
        (b"BEGIN:VCARD\nPolicy No: AB-123456\n", None),
        (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "text/calendar"),
        (b"0\x82\x01\x00\x06\t*\x86H\x86\xf7\r\x01\x07\x02", "application/pkcs7-mime"),
        (b"Name: Kim\nColour: red\nSize: 4\n", None),
        (b"plain text", None),
        (b"", None),
    ],
)  # fmt: skip
def test_the_content_shows_the_type(content: bytes, kind: str | None) -> None:
    assert detect_type(content) == kind


def test_a_document_that_is_stored_in_an_archive_leaves_it_an_archive() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("order.docx", _zip("[Content_Types].xml", "word/document.xml"))
        archive.comment = b"kept"
    assert detect_type(buffer.getvalue()) == "application/zip"


@pytest.mark.parametrize("size", [100, -30])
def test_an_office_file_that_was_cut_is_known_by_its_first_entries(size: int) -> None:
    assert detect_type(_zip("word/document.xml", *(f"{n}.xml" for n in range(9)))[:size]) == WORD


@pytest.mark.parametrize("junk", [b"\xff" * 4, b"\0" * 4])
def test_a_directory_with_a_false_size_is_no_directory(junk: bytes) -> None:
    content = bytearray(_zip("word/document.xml"))
    content[-10:-6] = junk
    assert detect_type(bytes(content)) == WORD


@pytest.mark.parametrize(
    ("declared", "name", "content", "kind"),
    [
        ("application/octet-stream", "a.bin", b"%PDF-1.7\n", "application/pdf"),
        ("image/png", "a.png", b"%PDF-1.7\n", "application/pdf"),
        ("application/octet-stream", "list.CSV", b"a,b\n", "text/csv"),
        ("application/octet-stream", "noname", b"\x00\x01", "application/octet-stream"),
        ("text/plain", "a.txt", b"<html>as text", "text/plain"),
        ("application/pdf", "a.pdf", b"no pdf", "application/pdf"),
        ("", "", b"", "application/octet-stream"),
        ("application/octet-stream", "form.txt", b"From: a\nTo: b\nDate: c\n\nPremium: EUR 500\n", "text/plain"),
        ("text/plain", "a.txt", b"BEGIN:VCARD\nFN:Kim\n", "text/plain"),
        ("text/plain", "kim.vcf", b"BEGIN:VCARD\nFN:Kim\n", "text/vcard"),
        ("text/plain", "a.txt", b"{\\rtf1 Hi}", "application/rtf"),
        ("text/plain", "a.txt", b"%PDF-1.7\n", "application/pdf"),
        ("text/csv", "a.csv", b"<html>;b\n", "text/csv"),
        ("application/vnd.ms-excel", "a.csv", b"a;b\n", "text/csv"),
        ("application/csv", "export", b"a;b\n", "text/csv"),
        ("text/comma-separated-values", "export", b"a;b\n", "text/csv"),
        ("application/txt", "a", b"Hi", "text/plain"),
        ("application/msword", "a.txt", b"Hi", "text/plain"),
        ("binary/octet-stream", "a.txt", b"Hi", "text/plain"),
        ("application/x-download", "a.log", b"Hi", "text/plain"),
        ("text/markdown", "a.md", b"Hi", "text/plain"),
        ("text/plain", "a.csv", b"a;b\n", "text/plain"),
        ("application/x-other", "a.bin", b"Hi", "application/x-other"),
    ],
)
def test_content_beats_all_and_the_name_beats_a_declared_type_that_cannot_be_read(
    declared: str, name: str, content: bytes, kind: str
) -> None:
    assert choose_type(declared, name, content) == kind

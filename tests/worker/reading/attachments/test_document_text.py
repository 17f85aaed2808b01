"""Documents are searched for fields, if they are harmless."""

import zlib
from io import BytesIO
from time import process_time
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from docx import Document
from openpyxl import Workbook

from tests.worker.reading.mails import with_file
from worker.reading import ReadingLimits, read

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def pdf(content: bytes) -> bytes:
    """Make a PDF of one page with the drawing operations `content`."""
    packed = zlib.compress(content)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"xref\n0 6\n0000000000 65535 f \n%strailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(out),
    )


def word() -> bytes:
    document = Document()
    document.add_paragraph("Insured: Zoë Müller")
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Policy number", "WD-12345"
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def sheet() -> bytes:
    book = Workbook()
    book.active.append(["Invoice number", "INV-88"])
    book.active.append(["Total", "1,250.00 USD"])
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def packed(name: str, content: bytes) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def test_fields_are_found_in_a_pdf() -> None:
    page = pdf(b"BT /F 12 Tf 72 700 Td (Claim number: CL-4711) Tj 0 -20 Td (Amount: 500.00 USD) Tj ET")
    reading = read(with_file("claim.pdf", "application/pdf", page))
    assert reading.fields["claim_number"] == "CL-4711"
    assert reading.fields["amount"] == {"amount": "500.00", "currency": "USD"}
    assert reading.evidence["claim_number"]["source"] == "attachment:1"


def test_fields_are_found_in_a_word_document() -> None:
    reading = read(with_file("a.docx", DOCX, word()))
    assert (reading.fields["policy_number"], reading.fields["insured"]) == ("WD-12345", "Zoë Müller")


def test_fields_are_found_in_a_spreadsheet_with_the_type_octet_stream() -> None:
    reading = read(with_file("a.xlsx", "application/octet-stream", sheet()))
    assert (reading.fields["invoice_number"], reading.fields["total"]["amount"]) == ("INV-88", "1250.00")


def test_a_spreadsheet_is_read_up_to_the_limit_of_cells() -> None:
    book = Workbook()
    for n in range(10):
        book.active.append([f"Row {n}", *range(60)])
    book.active.append(["Claim number", "CL-4711"])
    out = BytesIO()
    book.save(out)
    mail = with_file("a.xlsx", XLSX, out.getvalue())
    assert read(mail, limits=ReadingLimits(sheet_cells=612)).fields == {"claim_number": "CL-4711"}
    assert read(mail, limits=ReadingLimits(sheet_cells=611)).fields == {}


def test_fields_are_found_in_csv_by_their_columns() -> None:
    reading = read(with_file("a.csv", "text/csv", b"Policy number;Premium\r\nCS-777;80,00 EUR\r\n"))
    assert (reading.fields["policy_number"], reading.fields["premium"]["amount"]) == ("CS-777", "80.00")


def test_new_text_counts_before_an_attachment() -> None:
    reading = read(with_file("a.txt", "text/plain", b"Policy number: OLD-11", body="Policy number: NEW-22"))
    assert reading.fields["policy_number"] == "NEW-22"
    assert reading.evidence["policy_number"]["alternatives"][0]["value"] == "OLD-11"


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("bomb.docx", DOCX, packed("word/document.xml", bytes(50_000_000))),
        ("bomb.xlsx", XLSX, packed("xl/workbook.xml", bytes(50_000_000))),
        ("bomb.pdf", "application/pdf", pdf(bytes(50_000_000))),
        ("busy.pdf", "application/pdf", pdf(b"BT /F 1 Tf (a) Tj ET " * 100_000)),
        ("broken.pdf", "application/pdf", b"%PDF-1.4 nothing"),
        ("broken.docx", DOCX, b"PK\x03\x04 nothing"),
        ("broken.xlsx", XLSX, b"PK\x03\x04 nothing"),
        ("winmail.dat", "application/ms-tnef", b"\x78\x9f\x3e\x22\x00\x01" + b"\x03" * 100_000),
    ],
)
def test_bombs_and_broken_files_are_not_opened_and_the_mail_is_read(name: str, kind: str, content: bytes) -> None:
    reading = read(with_file(name, kind, content, body="Policy number: AB-12345"))
    assert reading.flags == ("attachment_unread",)
    assert reading.fields == {"policy_number": "AB-12345"}
    assert reading.attachments[0].name == name


def test_an_archive_with_a_false_size_is_not_unpacked() -> None:
    bomb = bytearray(packed("word/document.xml", bytes(50_000_000)))
    entry = bomb.rfind(b"PK\x01\x02")
    bomb[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    assert read(with_file("a.docx", DOCX, bytes(bomb))).flags == ("attachment_unread",)


def test_files_over_the_limit_are_kept_but_not_opened() -> None:
    reading = read(
        with_file("a.txt", "text/plain", b"Policy number: AB-12345"), limits=ReadingLimits(attachment_bytes=10)
    )
    assert reading.flags == ("attachment_unread",)
    assert len(reading.attachments) == 1


def tables(inside: str, times: int = 1) -> bytes:
    """Make a text document with one table, which has the rows *inside*, repeated *times* times."""
    document = Document()
    document.add_paragraph("MARK")
    document.add_table(1, 1)
    made, changed = BytesIO(), BytesIO()
    document.save(made)
    with ZipFile(made) as old, ZipFile(changed, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "word/document.xml":
                content = content.replace(b"</w:tbl>", inside.encode() * times + b"</w:tbl>")
            new.writestr(name, content)
    return changed.getvalue()


WIDE = '<w:tr><w:tc><w:tcPr><w:gridSpan w:val="{}"/></w:tcPr><w:p><w:r><w:t>AB-12345</w:t></w:r></w:p></w:tc></w:tr>'


def test_cells_of_usual_width_are_read() -> None:
    reading = read(with_file("a.docx", DOCX, tables(WIDE.format(3).replace("AB", "Policy Number: AB"))))
    assert reading.fields["policy_number"] == "AB-12345"


@pytest.mark.parametrize("width", ["999999999", "1" * 5000])
def test_a_cell_a_billion_columns_wide_is_read_once(width: str) -> None:
    reading = read(with_file("a.docx", DOCX, tables(WIDE.format(width).replace("AB", "Policy Number: AB"))))
    assert (reading.flags, reading.fields) == ((), {"policy_number": "AB-12345"})


def test_only_the_first_of_too_many_cells_are_read() -> None:
    started = process_time()
    read(with_file("a.docx", DOCX, tables("<w:tr>" + "<w:tc><w:p/></w:tc>" * 50 + "</w:tr>", 5_000)))
    assert process_time() - started < 10

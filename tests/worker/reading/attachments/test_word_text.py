"""The text of Word documents, as a person who opens one sees it."""

import pytest

from tests.support.hostile.builders import archive, cell, docx, paragraph, table
from worker.reading.attachments.library_guard import TOO_COMPLEX, TOO_LARGE, UnreadableError
from worker.reading.attachments.word_text import word_text
from worker.reading.attachments.work import Work
from worker.reading.limits import ReadingLimits

WORK = Work(10**9, 10**9)


def text(content: bytes, limits: ReadingLimits | None = None) -> str:
    return "".join(word_text(content, limits or ReadingLimits(), WORK))


def test_paragraphs_are_lines_and_cells_have_tabs_between_them() -> None:
    body = paragraph("Dear team") + table(cell(paragraph("Policy")) + cell(paragraph("AB-1") + paragraph("new")))
    assert text(docx(body + paragraph("Bye"))) == "Dear team\nPolicy\tAB-1 new\nBye\n"


def test_the_cells_of_a_table_in_a_cell_are_found() -> None:
    inner = table(cell(paragraph("a")) + cell(paragraph("b")))
    assert text(docx(table(cell(paragraph("x") + inner) + cell(paragraph("y"))))).split() == ["x", "a", "b", "y"]


def test_a_cell_that_spans_columns_or_rows_is_written_once() -> None:
    wide = cell(paragraph("wide"), '<w:gridSpan w:val="3"/>')
    begin = cell(paragraph("high"), '<w:vMerge w:val="restart"/>')
    assert text(
        docx(table(wide, begin + cell(paragraph("1")), cell("<w:p/>", "<w:vMerge/>") + cell(paragraph("2"))))
    ) == ("wide\nhigh\t1\n\t2\n")


def test_tabs_and_line_ends_in_a_paragraph_stay() -> None:
    assert text(docx("<w:p><w:r><w:t>Total:</w:t><w:tab/><w:t>5</w:t><w:br/><w:t>EUR</w:t></w:r></w:p>")) == (
        "Total:\t5\nEUR\n"
    )


@pytest.mark.parametrize(
    "unseen",
    [
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>",
        "<w:del><w:r><w:t>gone</w:t></w:r></w:del>",
        "<w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom>",
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>gone</w:t></w:r>",
        "<w:r><w:instrText>gone</w:instrText></w:r>",
        "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:r><w:t>gone</w:t></w:r></w:sdtContent></w:sdt>",
        '<x:t xmlns:x="urn:other">gone</x:t>',
    ],
)
def test_what_a_reader_does_not_see_is_left_out(unseen: str) -> None:
    assert text(docx(f"<w:p>{unseen}<w:r><w:t>seen</w:t></w:r></w:p>")) == "seen\n"


@pytest.mark.parametrize(
    "seen",
    [
        "<w:ins><w:r><w:t>seen</w:t></w:r></w:ins>",
        '<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>seen</w:t></w:r>',
        "<w:sdt><w:sdtPr/><w:sdtContent><w:r><w:t>seen</w:t></w:r></w:sdtContent></w:sdt>",
        "<w:hyperlink><w:r><w:t>seen</w:t></w:r></w:hyperlink>",
        "<w:r><w:pict><w:txbxContent><w:t>seen</w:t></w:txbxContent></w:pict></w:r>",
    ],
)
def test_inserted_text_form_fields_links_and_text_boxes_are_read(seen: str) -> None:
    assert "seen" in text(docx(f"<w:p>{seen}</w:p>"))


def test_headers_footers_and_notes_follow_the_document() -> None:
    story = '<a xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">{}</a>'
    found = text(
        docx(
            paragraph("body"),
            footnotes=story.format(paragraph("note")),
            header1=story.format(paragraph("head")),
            footer2=story.format(paragraph("foot")),
        )
    )
    assert found == "body\nhead\nfoot\nnote\n"


def test_the_strict_namespace_is_known() -> None:
    content = (
        '<d:document xmlns:d="http://purl.oclc.org/ooxml/wordprocessingml/main"><d:body><d:p><d:r><d:t>strict</d:t>'
        "</d:r></d:p></d:body></d:document>"
    )
    assert text(archive({"word/document.xml": content})) == "strict\n"


def test_what_was_read_before_the_limit_of_elements_is_kept() -> None:
    pieces: list[str] = []
    with pytest.raises(UnreadableError, match=TOO_COMPLEX):
        pieces.extend(word_text(docx(paragraph("word") * 20_000), ReadingLimits(elements=50_000), WORK))
    assert len("".join(pieces).split()) > 5_000


def test_entities_are_refused() -> None:
    with pytest.raises(UnreadableError, match=TOO_COMPLEX):
        text(docx(paragraph("&e;"), head='<!DOCTYPE x [<!ENTITY e "x">]>'))


def test_a_document_that_unfolds_to_too_much_is_refused() -> None:
    with pytest.raises(UnreadableError, match=TOO_LARGE):
        text(docx(paragraph("x" * 1000)), ReadingLimits(unpacked_bytes=1000))

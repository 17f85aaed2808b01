"""Rich Text documents and contact cards are read as text."""

from tests.support.cpu_time import cpu_seconds
from worker.reading.attachments.card_text import card_text
from worker.reading.attachments.rtf_text import rtf_text
from worker.reading.limits import ReadingLimits


def _rtf(content: bytes) -> str:
    return "".join(rtf_text(content, ReadingLimits()))


def _card(text: str) -> str:
    return "".join(card_text(text.encode(), ReadingLimits()))


def test_text_and_tables_of_a_rich_text_document_are_read() -> None:
    content = rb"{\rtf1\ansi\ansicpg1252 Geb\'fchr:\par\trowd\cellx1000\cellx2000 Policy Number\cell AB-12345\cell\row}"
    text = _rtf(content)
    assert "Gebühr:" in text
    assert "Policy Number\tAB-12345" in text


def test_pictures_in_a_rich_text_document_are_no_text() -> None:
    assert "ffd8" not in _rtf(rb"{\rtf1 Hello {\pict\jpegblip " + b"ffd8" * 50_000 + rb"} there}")


def test_the_texts_of_many_links_are_read() -> None:
    links = rb'{\field{\*\fldinst{HYPERLINK "http://a.example"}}{\fldrslt link}}' * 300
    text = _rtf(rb"{\rtf1 " + links + rb" end}")
    assert text.count("link") == 300
    assert text.endswith("end")


def test_links_that_never_end_are_no_links() -> None:
    # The library's own pattern needs minutes for so many.
    assert _rtf(rb"{\rtf1 start " + rb'{\field{\*\fldinst{HYPERLINK "' * 10_000).startswith("start")


def test_a_card_gives_what_people_read() -> None:
    card = (
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Kim\r\n  Ray\r\nORG:Firm;Claims\r\nTEL;TYPE=work:+1 212 555 0100\r\n"
        "ADR;TYPE=work:;;1 High St;Hull;;HU1;UK\r\nPHOTO;ENCODING=b:AAAA\r\nEND:VCARD\r\n"
    )
    assert _card(card).split("\n")[:4] == [
        "Name\tKim Ray",
        "Company\tFirm, Claims",
        "Phone\t+1 212 555 0100",
        "Address\t1 High St, Hull, HU1, UK",
    ]


def test_an_old_card_in_quoted_printable_is_decoded_over_its_lines() -> None:
    card = "BEGIN:VCARD\nVERSION:2.1\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=\n=B6rg\nEND:VCARD\n"
    assert "Name\tJörg" in _card(card)


def test_twice_the_semicolons_in_a_card_cost_about_twice_the_work() -> None:
    def work(semicolons: int) -> float:
        card = ("TEL" + ";" * semicolons + "\n") * 200
        return cpu_seconds(lambda: _card(card))

    assert work(18) < 6 * work(9)


def test_a_quoted_parameter_may_have_semicolons() -> None:
    assert _card('TEL;TYPE="a;b:c";PREF=1:+1 212 555 0100\n') == "Phone\t+1 212 555 0100\n"

"""Attachments keep their bytes and get names that are safe to show and to save."""

import pytest

from tests.worker.reading.letters import HEAD, with_file
from worker.reading import read
from worker.reading.attachments import MAX_NAME, safe_name


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.doc", "a.doc"),
        ("a\x00b\r\n.txt", "ab.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("zero\u200bwidth.txt", "zerowidth.txt"),
        (".hidden", "hidden"),
        ("..", "file.bin"),
        ("", "file.bin"),
        ("a:b|c?.txt", "a_b_c_.txt"),
        ("Schäden 📎.txt", "Schäden 📎.txt"),
    ],
)
def test_names_lose_paths_controls_and_bidi(given: str, safe: str) -> None:
    assert safe_name(given, "file", ".bin") == safe


def test_a_long_name_is_cut_and_keeps_its_ending() -> None:
    name = safe_name("x" * 500 + ".pdf", "file")
    assert len(name) == MAX_NAME
    assert name.endswith(".pdf")


def test_a_file_is_numbered_from_one_and_keeps_its_bytes() -> None:
    content = bytes(range(256))
    (file,) = read(with_file("a.bin", "Application/Octet-Stream", content)).attachments
    assert (file.n, file.name, file.type, file.content, file.inline) == (
        1,
        "a.bin",
        "application/octet-stream",
        content,
        False,
    )


def related(html: str, disposition: str) -> bytes:
    return (
        f"{HEAD}Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\n{html}\r\n"
        f"--r\r\nContent-Type: image/png\r\nContent-ID: <pic@x>\r\n"
        f"Content-Disposition: {disposition}; filename=pic.png\r\n\r\nPNG\r\n--r--"
    ).encode()


def test_an_image_is_inline_only_when_the_page_shows_it() -> None:
    assert read(related('<img src="cid:pic@x">', "inline")).attachments[0].inline
    assert not read(related("<p>no image</p>", "inline")).attachments[0].inline


def test_the_text_of_a_mail_in_a_mail_is_read_and_the_mail_is_a_file() -> None:
    reading = read(with_file("x.eml", "text/plain", b"Claim number: CL-77"))
    assert reading.fields["claim_number"] == "CL-77"
    assert reading.evidence["claim_number"]["source"] == "attachment:1"
    assert reading.text == "See the file."

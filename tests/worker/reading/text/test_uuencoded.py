"""Files that stand in the text, as before MIME, become attachments."""

from base64 import encodebytes
from binascii import b2a_uu

from tests.worker.reading.mails import HEAD, plain
from worker.reading import read

CONTENT = bytes(range(256)) * 10


def encoded(name: str, content: bytes = CONTENT) -> str:
    lines = [b2a_uu(content[at : at + 45]).decode("ascii") for at in range(0, len(content), 45)]
    return f"begin 644 {name}\n{''.join(lines)}`\nend\n"


def test_a_uuencoded_file_is_an_attachment_with_name_type_and_content() -> None:
    reading = read(plain(f"See the file.\n\n{encoded('terms of sale.pdf')}\nBest\n{encoded('b.bin', b'x')}"))
    assert [(file.name, file.type) for file in reading.attachments] == [
        ("terms of sale.pdf", "application/pdf"),
        ("b.bin", "application/octet-stream"),
    ]
    assert [file.content for file in reading.attachments] == [CONTENT, b"x"]
    assert reading.text == "See the file.\n\n\nBest"


def test_a_file_in_base64_is_an_attachment_too() -> None:
    body = f"Hello\nbegin-base64 644 a.txt\n{encodebytes(CONTENT).decode()}====\nBye"
    reading = read(plain(body))
    assert reading.text == "Hello\nBye"
    assert reading.attachments[0].content == CONTENT


def test_blanks_lost_at_line_ends_do_no_harm() -> None:
    blank = bytes(90)
    body = "\n".join(line.replace("`", " ").rstrip() for line in encoded("a.bin", blank).split("\n"))
    assert read(plain(body)).attachments[0].content.ljust(90, b"\0") == blank


def test_the_name_has_the_charset_of_the_text() -> None:
    raw = f"{HEAD}Content-Type: text/plain; charset=iso-8859-1\r\n\r\n{encoded('Schäden.txt', b'hi')}".encode("latin-1")
    assert read(raw).attachments[0].name == "Schäden.txt"


def test_a_large_file_in_the_text_does_not_truncate_the_text() -> None:
    reading = read(plain(f"{encoded('big.bin', bytes(4_500_000))}\nPolicy Number: LF-778812"))
    assert reading.fields["policy_number"] == "LF-778812"
    assert "truncated" not in reading.flags
    assert len(reading.attachments[0].content) == 4_500_000


def test_a_sentence_that_begins_so_is_text() -> None:
    body = "begin 644 of the works\nHELLO THERE\nend"
    reading = read(plain(body))
    assert reading.text == body
    assert not reading.attachments

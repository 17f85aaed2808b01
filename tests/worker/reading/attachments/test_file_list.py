"""Attachments keep their bytes and get names that are safe to show and to save."""

import pytest

from tests.worker.reading.mails import HEAD, with_file
from worker.reading import read, read_message
from worker.reading.attachments.file_list import MAX_NAME, safe_name
from worker.reading.attachments.library_guard import DID_NOT_COME, NO_CONTENT, UNDECODABLE


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
def test_paths_control_and_bidi_characters_are_removed_from_names(given: str, safe: str) -> None:
    assert safe_name(given, "file", ".bin") == safe


def test_a_long_name_is_truncated_but_keeps_its_extension() -> None:
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


@pytest.mark.parametrize(
    ("field", "content", "reason"),
    [
        ("X-Tubepost-Unread: missing\r\n", "", DID_NOT_COME),
        ("x-tubepost-unread:  EMPTY \r\n", "", NO_CONTENT),
        ("X-Tubepost-Unread: empty\r\n", "Policy Number: AB-123456", None),
        ("X-Tubepost-Unread: <b>call 555</b>\r\n", "", None),
        ("", "", None),
    ],
)
def test_only_an_empty_file_can_say_that_it_did_not_come_and_not_in_words_of_its_own(
    field: str, content: str, reason: str | None
) -> None:
    raw = (
        f"{HEAD}{field}Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nhello\r\n--m\r\n"
        f"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n{field}\r\n{content}\r\n"
        "--m--\r\n"
    )
    assert read_message(raw.encode()).has_files_to_read == bool(content)
    reading = read(raw.encode())
    assert [(file.name, file.unread) for file in reading.attachments] == [("a.txt", reason)]
    assert ("attachment_unread" in reading.flags) == (reason is not None)
    assert (reading.fields.get("policy_number"), reading.kind) == ("AB-123456" if content.strip() else None, "human")
    assert "hello" in reading.text


def test_a_file_that_did_not_come_stays_unread_when_the_others_are_read() -> None:
    missing = (
        "--cut\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=b.pdf\r\n"
        "X-Tubepost-Unread: undecodable\r\n\r\n\r\n--cut--"
    )
    inner = with_file("a.txt", "text/plain", b"Policy Number: AB-123456").decode().replace("--cut--", missing)
    assert missing in inner
    for raw in (inner.encode(), with_file("m.eml", "message/rfc822", inner.encode())):
        reading = read(raw)
        assert {file.name: file.unread for file in reading.attachments if file.name != "m.eml"} == {
            "a.txt": None, "b.pdf": UNDECODABLE,
        }  # fmt: skip
        assert reading.fields["policy_number"] == "AB-123456"


def related(html: str, disposition: str) -> bytes:
    return (
        f"{HEAD}Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\n{html}\r\n"
        f"--r\r\nContent-Type: image/png\r\nContent-ID: <pic@x>\r\n"
        f"Content-Disposition: {disposition}; filename=pic.png\r\n\r\nPNG\r\n--r--"
    ).encode()


def test_an_image_is_inline_only_when_the_page_shows_it() -> None:
    assert read(related('<img src="cid:pic@x">', "inline")).attachments[0].inline
    assert not read(related("<p>no image</p>", "inline")).attachments[0].inline


def test_a_document_that_the_page_names_is_a_file_and_is_read() -> None:
    raw = related('<object data="cid:pic@x"></object><p>Hi</p>', "inline").replace(b"image/png", b"text/csv")
    reading = read(raw.replace(b"PNG", b"Claim number;Amount\r\nCL-4711;5"))
    assert not reading.attachments[0].inline
    assert reading.fields["claim_number"] == "CL-4711"


def test_the_text_of_a_mail_in_a_mail_is_read_and_the_mail_is_a_file() -> None:
    reading = read(with_file("x.eml", "text/plain", b"Claim number: CL-77"))
    assert reading.fields["claim_number"] == "CL-77"
    assert reading.evidence["claim_number"]["source"] == "attachment:1"
    assert reading.text == "See the file."

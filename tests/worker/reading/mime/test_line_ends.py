"""Mail with the line ends of old systems has its headers and parts."""

import pytest

from worker.reading import read, read_headers

MAIL = (
    b"From: Jane Doe <jane@client.example>\r\nTo: desk@tubepost.example\r\nSubject: A claim\r\n"
    b"Content-Type: multipart/mixed; boundary=cut\r\n\r\n"
    b"--cut\r\nContent-Type: text/plain\r\n\r\nPolicy Number: LF-778812\r\n"
    b"--cut\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx\r\n--cut--\r\n"
)


@pytest.mark.parametrize("newline", [b"\r", b"\n", b"\r\r\n"])
def test_a_mail_with_other_line_ends_is_read_whole(newline: bytes) -> None:
    reading = read(MAIL.replace(b"\r\n", newline))
    assert (reading.subject, reading.from_name) == ("A claim", "Jane Doe")
    assert reading.fields["policy_number"] == "LF-778812"
    assert [file.name for file in reading.attachments] == ["a.txt"]


def test_headers_with_cr_alone_are_found_below_a_line_of_the_mail_server() -> None:
    raw = b"Return-Path: <jane@client.example>\r\n" + MAIL.replace(b"\r\n", b"\r")
    assert read(raw).subject == "A claim"
    assert read_headers(raw).subject == "A claim"


def test_a_plain_mail_with_cr_alone_keeps_its_lines() -> None:
    assert read(b"Subject: x\r\rone\rtwo\r").text == "one\ntwo"


def test_bytes_of_a_file_are_not_changed() -> None:
    raw = MAIL.replace(b"\r\n\r\nx\r\n", b"\r\n\r\nx\ry\r\n")
    assert read(raw).attachments[0].content == b"x\ry"

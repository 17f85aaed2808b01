"""Files inside files are listed with their path and read, three levels deep and within one budget."""

import io
import zipfile
from typing import Any

import pytest

from tests.support.ole_file import ole_file
from tests.worker.reading.mails import with_file
from worker.reading import Reading, read
from worker.reading.attachments.containers.unfolding import MAX_INNER_FILES
from worker.reading.attachments.library_guard import DAMAGED, ENCRYPTED, TOO_DEEP, TOO_LARGE, TOO_MANY

CLAIM = b"Claim number: CL-4711\r\n"


def _zip(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def _paths(reading: Reading) -> list[str]:
    return [" › ".join((*file.path, file.name)) for file in reading.attachments]


def test_the_files_of_an_archive_are_listed_behind_it_and_read() -> None:
    reading = read(with_file("papers.zip", "application/zip", _zip(("folder/claim.txt", CLAIM), ("b.txt", b"x"))))
    assert _paths(reading) == ["papers.zip", "papers.zip › claim.txt", "papers.zip › b.txt"]
    assert reading.fields["claim_number"] == "CL-4711"
    assert reading.evidence["claim_number"]["source"] == "attachment:2"
    assert reading.flags == ()


def test_the_files_of_an_attached_mail_are_listed_and_read() -> None:
    inner = with_file("claim.txt", "text/plain", CLAIM, body="Policy Number: AB-12345")
    reading = read(with_file("order.eml", "message/rfc822", inner))
    assert _paths(reading) == ["order.eml", "order.eml › claim.txt"]
    assert (reading.fields["claim_number"], reading.fields["policy_number"]) == ("CL-4711", "AB-12345")


def test_the_files_of_a_message_of_outlook_are_listed_and_read() -> None:
    name = {"__substg1.0_3707001F": "claim.txt".encode("utf-16-le")}
    file: dict[str, Any] = name | {"__substg1.0_37010102": CLAIM}
    message = ole_file({"__properties_version1.0": b"", "__attach_version1.0_#00000000": file})
    reading = read(with_file("letter.bin", "application/octet-stream", message))
    assert _paths(reading) == ["letter.bin", "letter.bin › claim.txt"]
    assert reading.fields["claim_number"] == "CL-4711"


def test_containers_are_opened_three_levels_deep() -> None:
    content = _zip(("claim.txt", CLAIM))
    for n in range(4):
        content = _zip((f"{n}.zip", content))
    reading = read(with_file("top.zip", "application/zip", content))
    assert _paths(reading)[-1] == "top.zip › 3.zip › 2.zip › 1.zip"
    assert reading.attachments[-1].unread == TOO_DEEP
    assert reading.flags == ("attachment_unread",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"PK\x03\x04 and nothing", DAMAGED), (_zip(*((f"{n}.txt", b"x") for n in range(300))), TOO_MANY)],
    ids=["broken", "many"],
)
def test_a_container_that_cannot_be_opened_whole_says_why(content: bytes, reason: str) -> None:
    reading = read(with_file("papers.zip", "application/zip", content))
    assert reading.attachments[0].unread == reason
    assert len(reading.attachments) <= 1 + MAX_INNER_FILES


def test_an_encrypted_archive_is_listed_and_says_so() -> None:
    content = bytearray(_zip(("claim.txt", CLAIM)))
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    (file,) = read(with_file("papers.zip", "application/zip", bytes(content))).attachments
    assert file.unread == ENCRYPTED


def test_a_large_file_in_a_mail_says_so_and_costs_no_other_file() -> None:
    inner = with_file("photo.jpg", "image/jpeg", bytes(9 << 20))
    order = b"--cut\r\nContent-Type: text/plain; name=claim.txt\r\nContent-Disposition: attachment\r\n\r\n" + CLAIM
    reading = read(with_file("order.eml", "message/rfc822", inner.replace(b"--cut--", order + b"--cut--")))
    assert [(file.name, file.unread) for file in reading.attachments][1:] == [
        ("photo.jpg", TOO_LARGE),
        ("claim.txt", None),
    ]
    assert reading.fields["claim_number"] == "CL-4711"


def test_names_inside_a_container_are_made_safe() -> None:
    reading = read(
        with_file("papers.zip", "application/zip", _zip(("../../etc/passwd", b"x"), ("a\u202etxt.exe", b"x")))
    )
    assert [file.name for file in reading.attachments[1:]] == ["passwd", "atxt.exe"]


def test_encrypted_mail_has_a_flag() -> None:
    text = b"From: a@b.example\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n"
    assert "encrypted" in read(text).flags

"""The files and the text inside winmail.dat."""

import struct

import pytest

from tests.support.hostile.builders import tnef
from tests.worker.reading.mails import with_file
from worker.reading import MailAttachment, read
from worker.reading.attachments.containers.compressed_rtf import unpack_rtf
from worker.reading.attachments.containers.tnef import tnef_files
from worker.reading.attachments.library_guard import DAMAGED, TOO_LARGE

KIND = "application/ms-tnef"


def prop(kind: int, name: int, value: bytes) -> bytes:
    padded = value + bytes(-len(value) % 4)
    return struct.pack("<HHII", kind, name, 1, len(value)) + padded


def properties(*each: bytes) -> bytes:
    return struct.pack("<I", len(each)) + b"".join(each)


def files(*attributes: tuple[int, int, bytes]) -> list[tuple[str, bytes]]:
    return tnef_files(tnef(*attributes), 500)[0]


def test_each_file_has_its_name_and_content() -> None:
    found = files(
        (2, 0x9002, b""), (2, 0x8010, b"a.txt\0"), (2, 0x800F, b"one"),
        (2, 0x9002, b""), (2, 0x8010, b"B~1.TXT\0"), (2, 0x800F, b"two"),
        (2, 0x9005, properties(prop(0x1F, 0x3707, "b größer.txt\0".encode("utf-16-le")))),
    )  # fmt: skip
    assert found == [("a.txt", b"one"), ("b größer.txt", b"two")]


def test_values_of_other_properties_are_skipped() -> None:
    numbers = struct.pack("<HHI", 0x03, 0x0E07, 5) + struct.pack("<HHd", 0x40, 0x3007, 1.0)
    several = struct.pack("<HHI3I", 0x1003, 0x0E08, 3, 1, 2, 3)
    named = struct.pack("<HH16sII", 0x0B, 0x8001, b"guid", 0, 7) + struct.pack("<I", 1)
    wanted = prop(0x1E, 0x1000, b"the text\0")
    found = files((1, 0x9003, struct.pack("<I", 5) + numbers + several + named + wanted))
    assert found == [("message.txt", b"the text")]


def test_packed_rtf_is_unpacked() -> None:
    # The example of MS-OXRTFCP §4.1.
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c0900206277"
        "05b06c647d0a800fa0"
    )  # fmt: skip
    assert unpack_rtf(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert files((1, 0x9003, properties(prop(0x102, 0x1009, packed))))[0][0] == "message.rtf"


def test_the_files_inside_take_the_place_of_the_file_and_the_others_keep_their_order() -> None:
    content = tnef((2, 0x9002, b""), (2, 0x8010, b"../claim.txt\0"), (2, 0x800F, b"Claim number: CL-4711"))
    raw = with_file("winmail.dat", KIND, content)
    more = (
        b"--cut\r\nContent-Type: text/plain; name=z.txt\r\nContent-Disposition: attachment\r\n\r\nPolicy: AB-12345\r\n"
    )
    reading = read(raw.replace(b"--cut--", more + b"--cut--"))
    assert [(file.n, file.name, file.unread) for file in reading.attachments] == [
        (1, "claim.txt", None),
        (2, "z.txt", None),
    ]
    assert reading.fields["claim_number"] == "CL-4711"
    assert reading.evidence["claim_number"]["source"] == "attachment:1"


ORDER = ((2, 0x9002, b""), (2, 0x8010, b"claim.txt\0"), (2, 0x800F, b"Claim number: CL-4711"))
PHOTO = ((2, 0x9002, b""), (2, 0x8010, b"photo.jpg\0"), (2, 0x800F, bytes(9 << 20)))


def test_a_file_that_is_too_large_says_so_and_the_others_are_read() -> None:
    reading = read(with_file("winmail.dat", KIND, tnef(*PHOTO, *ORDER)))
    assert [(file.name, file.unread) for file in reading.attachments] == [("photo.jpg", TOO_LARGE), ("claim.txt", None)]
    assert reading.fields["claim_number"] == "CL-4711"


@pytest.mark.parametrize(("end", "names"), [(b"\x07" * 20, ["winmail.dat", "claim.txt"]), (bytes(20), ["claim.txt"])])
def test_the_files_before_damage_are_read_and_the_damage_is_said(end: bytes, names: list[str]) -> None:
    reading = read(with_file("winmail.dat", KIND, tnef(*ORDER)[:-1] + end))
    assert [file.name for file in reading.attachments] == names
    assert reading.attachments[0].unread == (DAMAGED if len(names) > 1 else None)
    assert reading.fields["claim_number"] == "CL-4711"


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x78\x9f\x3e\x22\0\1" + b"\3" * 100, tnef()[:8] + b"\1\3\x90"])
def test_what_cannot_be_opened_stays_with_a_reason_or_is_empty(content: bytes) -> None:
    (file,) = read(with_file("winmail.dat", KIND, content)).attachments
    assert isinstance(file, MailAttachment)
    assert file.name == "winmail.dat"
    assert file.unread in {DAMAGED, None}


def test_a_count_of_four_billion_ends_with_the_bytes() -> None:
    for kind in (0x1002, 0x1003, 0x101E, 0x1E, 0x1048):
        found = files((1, 0x9003, b"\xff\xff\xff\xff" + struct.pack("<HHI", kind, 0x1000, 2**32 - 1) + bytes(500)))
        assert len(found) <= 1

"""Messages that Outlook saved give their text and their files, and those of the messages inside them."""

import struct
from typing import Any

import pytest

from tests.support.ole_file import ole_file
from worker.reading.attachments.containers.outlook_message import MAX_STREAMS, outlook_files
from worker.reading.attachments.containers.unfolding import UnfoldBudget
from worker.reading.attachments.library_guard import TOO_COMPLEX, TOO_LARGE, UnreadableError


def _text(name: str, value: str) -> dict[str, bytes]:
    return {f"__substg1.0_{name}001F": value.encode("utf-16-le")}


def _file(name: str, content: bytes) -> dict[str, bytes]:
    return _text("3707", name) | _text("370E", "application/pdf") | {"__substg1.0_37010102": content}


def _message(**files: dict[str, Any]) -> dict[str, Any]:
    head = _text("0037", "An order") | _text("1000", "Policy Number: AB-12345") | _text("0C1A", "Kim Ray")
    return head | {f"__attach_version1.0_#{n:08X}": file for n, file in enumerate(files.values())}


def _names(root: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(*file.path, file.name) for file in outlook_files(ole_file(root), UnfoldBudget())]


def test_a_message_gives_its_text_and_its_files() -> None:
    text, file = outlook_files(ole_file(_message(a=_file("offer.pdf", b"%PDF-"))), UnfoldBudget())
    assert text.content.decode() == "From: Kim Ray\nSubject: An order\n\nPolicy Number: AB-12345"
    assert (file.name, file.type, file.content[:5]) == ("offer.pdf", "application/pdf", b"%PDF-")


@pytest.mark.parametrize(
    "streams",
    [
        {"__substg1.0_10130102": b"<p>Hi</p>"},
        {"__substg1.0_1013001F": "<meta charset=windows-1252><p>Größe</p>".encode("utf-16-le")},
    ],
)
def test_a_page_comes_with_the_head_of_the_message_as_text(streams: dict[str, bytes]) -> None:
    head, page = outlook_files(ole_file(_message() | streams), UnfoldBudget())
    assert head.content.decode() == "From: Kim Ray\nSubject: An order\n\n"
    assert (page.name, page.type) == ("message.html", "text/html")
    assert page.content.startswith((b"<p>Hi</p>", "\ufeff<meta charset=windows-1252><p>Größe</p>".encode()))


@pytest.mark.parametrize("tag", [0x3FFD0003, 0x3FDE0003])
def test_a_text_is_read_in_the_code_page_of_its_message(tag: int) -> None:
    page = struct.pack("<IIII", tag, 6, 1251, 0)
    text = {"__substg1.0_1000001E": "Полис".encode("cp1251")}
    file = {"__substg1.0_3707001E": "Полис.txt".encode("cp1251"), "__substg1.0_37010102": b"x"}
    inner = text | {"__properties_version1.0": bytes(24) + page}
    root = text | {
        "__properties_version1.0": bytes(32) + page,
        "__attach_version1.0_#00000000": file,
        "__attach_version1.0_#00000001": {"__substg1.0_3701000D": inner},
    }
    own, attached, nested = outlook_files(ole_file(root), UnfoldBudget())
    assert (own.content.decode().strip("\n\0"), attached.name) == ("Полис", "Полис.txt")
    assert nested.content.decode().strip("\n\0") == "Полис"


def test_a_message_inside_a_message_is_opened_with_its_path() -> None:
    inner = {"__substg1.0_3701000D": _message(a=_file("terms.pdf", b"%PDF-"))}
    assert _names(_message(a=inner)) == [
        ("message.txt",),
        ("An order.msg", "message.txt"),
        ("An order.msg", "terms.pdf"),
    ]


def test_messages_are_opened_three_levels_deep() -> None:
    root = _message()
    for _ in range(6):
        root = _message(a={"__substg1.0_3701000D": root})
    names = _names(root)
    assert max(map(len, names)) == 3
    assert names[-1] == ("An order.msg", "An order.msg", "An order.msg")


def test_a_text_in_a_one_byte_charset_is_read() -> None:
    root = {"__substg1.0_1000001E": "Gebühr".encode("cp1252")}
    [text] = outlook_files(ole_file(root), UnfoldBudget())
    assert text.content.decode().strip() == "Gebühr"


def test_a_message_of_too_many_streams_is_refused() -> None:
    with pytest.raises(UnreadableError) as error:
        _names({f"s{n}": {f"s{k}": b"" for k in range(100)} for n in range(MAX_STREAMS // 100 + 1)})
    assert error.value.reason == TOO_COMPLEX


def test_a_file_that_is_too_large_says_so_and_the_others_are_taken_out() -> None:
    root = _message(a=_file("photo.jpg", bytes(200_000)), b=_file("offer.pdf", b"%PDF-"))
    found = [(file.name, file.unread) for file in outlook_files(ole_file(root), UnfoldBudget(bytes_left=100_000))]
    assert found == [("message.txt", None), ("photo.jpg", TOO_LARGE), ("offer.pdf", None)]

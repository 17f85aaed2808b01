"""Archives give their files within the budget; those that unfold without end are refused before they cost much."""

import io
import struct
import zipfile

import pytest

from worker.reading.attachments.containers.unfolding import UnfoldBudget
from worker.reading.attachments.containers.zip_files import zip_files
from worker.reading.attachments.library_guard import DAMAGED, ENCRYPTED, TOO_COMPLEX, TOO_LARGE, UnreadableError


def _zip(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_an_archive_gives_its_files_and_takes_their_bytes_from_the_budget() -> None:
    budget = UnfoldBudget()
    found = list(zip_files(_zip(("folder/a.txt", b"one"), ("b.txt", b"three")), budget))
    assert [(file.name, file.content) for file in found] == [("folder/a.txt", b"one"), ("b.txt", b"three")]
    assert budget.bytes_left == UnfoldBudget().bytes_left - 8


def test_an_archive_of_too_many_entries_is_refused() -> None:
    with pytest.raises(UnreadableError) as error:
        list(zip_files(_zip(*((str(n), b"") for n in range(501))), UnfoldBudget()))
    assert error.value.reason == TOO_COMPLEX


def _reasons(content: bytes) -> dict[str, str | None]:
    return {file.name: file.unread for file in zip_files(content, UnfoldBudget())}


LARGE = bytes(range(256)) * 40_000


def test_a_file_that_costs_too_much_says_so_and_the_others_are_taken_out() -> None:
    content = _zip(("bomb", b"\0" * 3_000_000), ("a.txt", b"one"))
    assert _reasons(content) == {"bomb": TOO_COMPLEX, "a.txt": None}
    content = _zip(("photo", LARGE), ("a.txt", b"one"), method=zipfile.ZIP_STORED)
    assert _reasons(content) == {"photo": TOO_LARGE, "a.txt": None}


def test_a_damaged_file_says_so_and_the_others_are_taken_out() -> None:
    content = _zip(("a.txt", b"one"), ("b.txt", b"two"), method=zipfile.ZIP_STORED)
    assert _reasons(content.replace(b"two", b"twX", 1)) == {"a.txt": None, "b.txt": DAMAGED}
    local = content.find(b"PK\x03\x04", 4)
    assert _reasons(content[:local] + b"XXXX" + content[local + 4 :]) == {"a.txt": None, "b.txt": DAMAGED}


def test_an_encrypted_file_says_so_and_the_others_are_taken_out() -> None:
    content = bytearray(_zip(("a.txt", b"one"), ("b.txt", b"two")))
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    assert _reasons(bytes(content)) == {"a.txt": None, "b.txt": ENCRYPTED}


def test_an_encrypted_archive_says_so() -> None:
    content = bytearray(_zip(("a.txt", b"one")))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark) + offset
        struct.pack_into("<H", content, at, 1)
    with pytest.raises(UnreadableError) as error:
        list(zip_files(bytes(content), UnfoldBudget()))
    assert error.value.reason == ENCRYPTED


def test_entries_that_share_their_bytes_are_refused() -> None:
    content = bytearray(_zip(("a", b"x" * 50), ("b", b"y" * 50), method=zipfile.ZIP_STORED))
    second = content.rfind(b"PK\x01\x02")
    struct.pack_into("<I", content, second + 42, 0)
    with pytest.raises(UnreadableError) as error:
        list(zip_files(bytes(content), UnfoldBudget()))
    assert error.value.reason == TOO_COMPLEX


def test_a_method_that_takes_much_memory_is_listed_and_not_unfolded() -> None:
    [file] = zip_files(_zip(("a.txt", b"one"), method=zipfile.ZIP_LZMA), UnfoldBudget())
    assert (file.name, file.content, file.unread) == ("a.txt", b"", TOO_COMPLEX)

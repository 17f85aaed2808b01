"""Uuencoded bodies are decoded, and give no more than they have."""

import binascii

import pytest

from worker.reading.mime import transfer
from worker.reading.mime.transfer import decode_transfer_encoding


def encoded(content: bytes) -> bytes:
    lines = [binascii.b2a_uu(content[at : at + 45]) for at in range(0, len(content), 45)]
    return b"begin 644 a.bin\n" + b"".join(lines) + b"`\nend\n"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_uuencoded_content_is_decoded(newline: bytes) -> None:
    content = bytes(range(256)) * 10
    assert decode_transfer_encoding(encoded(content).replace(b"\n", newline), "x-uuencode") == content


def test_a_line_with_characters_after_its_length_is_decoded() -> None:
    assert decode_transfer_encoding(b"#0V%Ty\n", "uuencode")[:3] == b"Cat"


def test_lines_that_say_they_are_long_give_no_more_than_came_in() -> None:
    raw = b"M\r\n" * 10_000
    assert len(decode_transfer_encoding(raw, "uuencode")) <= len(raw)


def test_no_more_lines_are_decoded_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_UU_LINES", 3)
    assert decode_transfer_encoding(encoded(bytes(45 * 10)), "uuencode") == bytes(45 * 2)

"""A declared transfer encoding is undone, and text that only claims one stays as it is."""

from base64 import b64encode, encodebytes

import pytest

from tests.worker.reading.mails import with_file
from worker.reading import read
from worker.reading.mime.transfer import decode_transfer_encoding

TEXTS = [
    b"Hello, the policy number is KH-2026.\r\n",
    b"Policy Number KH",
    b"Thanks",
    b"Ok, do it",
    b"Hello\n\nPolicy Number: P-1\n",
    b"Hello\nWorld",
    "Grüße".encode(),
    b"see below the text that is here and then some more words of it, " * 100,
]


def decode(raw: bytes) -> bytes:
    return decode_transfer_encoding(raw, "base64", is_text=True)


@pytest.mark.parametrize("text", TEXTS)
def test_text_that_is_falsely_declared_as_base64_stays_as_it_is(text: bytes) -> None:
    assert decode(text) == text


@pytest.mark.parametrize("text", TEXTS)
def test_base64_is_decoded(text: bytes) -> None:
    assert decode(encodebytes(text)) == text
    assert decode(b64encode(text)) == text
    assert decode(encodebytes(text * 50).replace(b"\n", b"\r\n")) == text * 50


@pytest.mark.parametrize("word", [b"Ok", b"Test", b"Done\n", b"Yes"])
def test_one_word_that_is_falsely_declared_as_base64_stays_as_it_is(word: bytes) -> None:
    assert decode(word) == word


def test_base64_in_latin_1_is_decoded() -> None:
    assert decode(b64encode("Grüße aus Köln".encode("latin-1"))) == "Grüße aus Köln".encode("latin-1")


def test_a_footer_below_base64_is_kept_as_text() -> None:
    raw = encodebytes(b"Policy Number: P-1\n" * 9) + b"_____\nThe list: list@a.example\n"
    assert decode(raw) == b"Policy Number: P-1\n" * 9 + b"\n_____\nThe list: list@a.example\n"


def test_files_are_decoded_whatever_is_in_them() -> None:
    content = bytes(range(256))
    assert decode_transfer_encoding(encodebytes(content), "base64") == content
    assert decode_transfer_encoding(b64encode(content[:40]), "base64") == content[:40]


@pytest.mark.parametrize("charset", ["utf-16", "utf-8-sig"])
def test_a_short_text_with_a_byte_order_mark_is_no_false_base64(charset: str) -> None:
    text = "Полис: AB-12345\n".encode(charset)
    assert decode(encodebytes(text)) == text


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/csv", "Полис;Сумма\nAB-12345;100\n".encode("cp1251")),
        ("text/plain", "Policy Number: AB-12345\n".encode("utf-16-le")),
        ("text/plain", b"\x1f\x8b\x08\xff\xfe"),
    ],
)
def test_a_text_file_is_decoded_whatever_its_charset(kind: str, content: bytes) -> None:
    (file,) = read(with_file("a.txt", kind, content)).attachments
    assert file.content == content


@pytest.mark.parametrize(("encoded", "decoded"), [(b"Y2Fm6Q==", b"caf\xe9"), (b"Hello123", b"Hello123")])
def test_a_short_text_in_a_one_byte_charset_is_no_false_base64(encoded: bytes, decoded: bytes) -> None:
    assert decode_transfer_encoding(encoded, "base64", is_text=True) == decoded

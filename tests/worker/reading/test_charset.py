"""Bytes become text by what is declared, then by what they are; a detector is the last resort."""

import pytest

from worker.reading import charset


@pytest.mark.parametrize(
    ("text", "really", "declared"),
    [
        ("Grüße", "utf-8", "utf-8"),
        ("Grüße", "utf-8", None),
        ("Grüße", "utf-8", "us-ascii"),
        ("Grüße", "utf-8", "iso-8859-1"),
        ("Grüße – “so”", "cp1252", "iso-8859-1"),
        ("Grüße", "cp1252", '"windows-1252"'),
        ("镕你好", "gb18030", "gb2312"),
        ("שלום", "iso8859_8", "iso-8859-8-i"),
        ("안녕하세요", "cp949", "ks_c_5601-1987"),
        ("こんにちは", "iso2022_jp", "iso-2022-jp"),
        ("①こんにちは", "cp932", "shift_jis"),
        ("😀", "utf-8", "utf8mb4"),
        ("Привет", "koi8_r", "KOI8-R"),
        ("Grüße", "utf-16", "utf-16"),
    ],
)
def test_the_declared_charset_or_what_is_meant_by_it_is_used(text: str, really: str, declared: str | None) -> None:
    assert charset.decode(text.encode(really), declared) == (text, True)


def test_what_is_neither_declared_nor_utf8_is_read_as_windows_1252_and_said_to_be_a_guess() -> None:
    assert charset.decode("Café Müller".encode("cp1252"), None) == ("Café Müller", False)
    assert charset.decode("Café Müller".encode("cp1252"), "x-martian") == ("Café Müller", False)


def test_one_broken_character_does_not_turn_the_rest_into_gibberish() -> None:
    text, sure = charset.decode("größere Schäden ".encode() * 3 + b"\xe2\x82", "utf-8")
    assert text.startswith("größere Schäden")
    assert not sure


@pytest.mark.parametrize("name", ["unicode_escape", "punycode", "idna", "zlib", "rot13", "os", "../x", "a" * 500, ""])
def test_codecs_that_are_no_charsets_are_unknown(name: str) -> None:
    assert charset.codec_name(name) is None


def test_an_html_page_may_declare_its_own_charset() -> None:
    raw = '<html><head><meta charset="koi8-r"></head>Привет'.encode("koi8_r")
    assert charset.decode_html(raw, None)[0].endswith("Привет")

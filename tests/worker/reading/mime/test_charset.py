"""Bytes are decoded by the declared charset, then by their form; a detector is the last resort."""

import pytest

from worker.reading import read
from worker.reading.mime import charset


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
def test_the_declared_charset_or_the_one_it_means_is_used(text: str, really: str, declared: str | None) -> None:
    assert charset.decode(text.encode(really), declared) == (text, True)


def test_undeclared_text_that_is_not_utf8_is_decoded_as_windows_1252_and_marked_as_a_guess() -> None:
    assert charset.decode("Café Müller".encode("cp1252"), None) == ("Café Müller", False)
    assert charset.decode("Café Müller".encode("cp1252"), "x-martian") == ("Café Müller", False)


def test_one_broken_character_does_not_change_the_charset_of_the_rest() -> None:
    text, sure = charset.decode("größere Schäden ".encode() * 3 + b"\xe2\x82", "utf-8")
    assert text.startswith("größere Schäden")
    assert not sure


@pytest.mark.parametrize("name", ["unicode_escape", "punycode", "idna", "zlib", "rot13", "os", "../x", "a" * 500, ""])
def test_codecs_that_are_no_charsets_are_unknown(name: str) -> None:
    assert charset.codec_name(name) is None


def test_an_html_page_may_declare_its_own_charset() -> None:
    raw = '<html><head><meta charset="koi8-r"></head>Привет'.encode("koi8_r")
    assert charset.decode_html(raw, None)[0].endswith("Привет")


@pytest.mark.parametrize("text", ["㈱山田商事", "① 証券 ② 面積 120㎡", "℡ 03-5550-1234 Ⅱ期 ㍾", "髙﨑 彅"])
def test_iso_2022_jp_may_have_the_characters_that_windows_adds(text: str) -> None:
    raw = _iso_2022_jp(text)
    assert charset.decode(b"ABC " + raw + b"\r\n" + raw, "iso-2022-jp") == (f"ABC {text}\r\n{text}", True)
    assert charset.decode(raw, None) == (text, True)


def _iso_2022_jp(text: str) -> bytes:
    """Encode as Windows does: cp932 in seven bits, with escape sequences."""
    out = b""
    for character in text:
        coded = character.encode("cp932")
        if len(coded) == 1:
            out += coded
            continue
        first, second = coded
        row = 2 * (first - (0x70 if first < 0xE0 else 0xB0))
        row, cell = (row, second - 0x7E) if second >= 0x9F else (row - 1, second - 0x1F - (second >= 0x80))
        out += b"\x1b$B" + bytes([row, cell]) + b"\x1b(B"
    return out


@pytest.mark.parametrize(
    ("text", "declared", "codec"),
    [
        ("Претензия по полису", "koi8-r", "koi8_r"),
        ("Претензия по полису", "windows-1251", "cp1251"),
        ("Škoda č. 5", "iso-8859-2", "iso8859_2"),
        ("保険証券番号", "shift_jis", "cp932"),
        ("保险单号码", "gb2312", "gb18030"),
        ("株式会社", "iso-2022-jp", "iso2022_jp"),
        ("Größe", "koi8-r", "utf_8"),
    ],
)
def test_raw_bytes_in_headers_have_the_charset_of_the_text(text: str, declared: str, codec: str) -> None:
    raw = (
        f"From: {text} <a@client.example>\r\nTo: {text} <b@client.example>\r\nSubject: {text}\r\n"
        f"Content-Type: multipart/mixed; boundary=cut\r\n\r\n"
        f"--cut\r\nContent-Type: text/plain; charset={declared}\r\n\r\n"
        f'x\r\n--cut\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="{text}.pdf"\r\n\r\n'
        "x\r\n--cut--"
    ).encode(codec)
    reading = read(raw)
    assert (reading.subject, reading.from_name) == (text, text)
    assert reading.to == ("b@client.example",)
    assert reading.attachments[0].name == f"{text}.pdf"


def test_half_a_character_of_utf_7_is_replaced() -> None:
    words = b"many words " * 20
    assert charset.decode(words + b"+2AA-", "utf-7") == (words.decode() + "\ufffd", False)
    assert charset.decode(b"+2D3eAA-", "utf-7") == ("😀", True)
    assert read(b"Content-Type: text/html; charset=utf-7\r\n\r\n" + words + b"+2AA-").text.endswith("words \ufffd")

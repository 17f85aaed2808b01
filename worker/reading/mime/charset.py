"""Decodes bytes whose declared charset may be missing, wrong, misspelt or hostile.

Order: what is declared (by its usual misnomers), UTF-8, windows-1252, a detector for long texts, replacement.
A detector is the last resort since it guesses wildly on short texts.
"""

import codecs
import re
from encodings.aliases import aliases

from worker.reading.mime.iso2022jp import decode_iso_2022_jp

#: Declared charset → the charset that is used: a larger one that contains it.
MISNOMERS = {
    "gb2312": "gb18030", "gbk": "gb18030", "gb_2312_80": "gb18030", "x_gbk": "gb18030", "euc_cn": "gb18030",
    "ks_c_5601_1987": "cp949", "ks_c_5601": "cp949", "euc_kr": "cp949", "ksc5601": "cp949",
    "iso_8859_8_i": "iso8859_8", "iso_8859_8_e": "iso8859_8", "iso_8859_6_i": "iso8859_6",
    "iso_2022_jp": "iso2022_jp_ext", "csiso2022jp": "iso2022_jp_ext", "iso_2022_jp_ms": "iso2022_jp_ext",
    "iso2022jp": "iso2022_jp_ext", "iso2022_jp": "iso2022_jp_ext", "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext", "cp50222": "iso2022_jp_ext", "iso_2022_jp_1": "iso2022_jp_ext",
    "shift_jis": "cp932", "sjis": "cp932", "x_sjis": "cp932", "shift_jis_2004": "cp932",
    "iso_8859_1": "cp1252", "latin1": "cp1252", "latin_1": "cp1252", "ascii": "cp1252", "us_ascii": "cp1252",
    "utf8mb4": "utf_8", "utf8": "utf_8", "utf_8": "utf_8", "unicode_1_1_utf_8": "utf_8",
    "unicode_1_1_utf_7": "utf_7", "x_unicode": "utf_16",
    "x_mac_roman": "mac_roman", "macintosh": "mac_roman", "tis_620": "cp874", "iso_8859_11": "cp874",
    "big5": "big5hkscs", "x_euc_jp": "euc_jp", "x_windows_949": "cp949",
}  # fmt: skip
#: Python's codecs that are no charsets of mail; some take quadratic time.
FORBIDDEN_CODECS = frozenset(
    {"idna", "punycode", "raw_unicode_escape", "unicode_escape", "undefined", "mbcs", "oem", "palmos"}
)
#: Allowed names of codecs: Python would import a module for any other name that a mail contains.
KNOWN_CODECS = frozenset(aliases) | frozenset(aliases.values())
#: Bytes from which the detector is used, and how many of them it examines.
DETECTOR_LEAST = 400
DETECTOR_MOST = 20_000
#: A declared charset is rejected if it fails on more than one byte in this many.
TOLERATED = 200

#: The most frequent declarations.
_NARROW = frozenset({"utf-8", "UTF-8", "us-ascii", "US-ASCII", "iso-8859-1", "ISO-8859-1", "windows-1252"})
_ISO_2022_JP = "iso2022_jp_ext"
#: Declarations that say nothing, and the escape sequences of undeclared ISO-2022-JP.
_ASCII = frozenset({"cp1252", "utf_8", None})
_JAPANESE = re.compile(rb"\x1b\$\(?[@BD]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_META = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_BOMS = ((codecs.BOM_UTF8, "utf_8"), (codecs.BOM_UTF16_LE, "utf_16_le"), (codecs.BOM_UTF16_BE, "utf_16_be"))


def codec_name(declared: str) -> str | None:
    """Return Python's name of a declared charset; None when it is unknown."""
    name = _SEPARATORS.sub("_", declared[:60].lower()).strip("_")
    name = MISNOMERS.get(name) or MISNOMERS.get(aliases.get(name, name), name)
    if name not in KNOWN_CODECS or aliases.get(name, name) in FORBIDDEN_CODECS:
        return None
    try:
        info = codecs.lookup(name)
    except LookupError:
        return None
    return name if info._is_text_encoding else None


def decode(raw: bytes, declared: str | None) -> tuple[str, bool]:
    """Return (text, sure). `sure` is False when the charset was guessed or bytes had to be replaced. Never raises."""
    if raw.isascii():
        has_escapes = b"\x1b" in raw
        if not has_escapes and (declared is None or not _is_wide(declared)):
            return raw.decode("ascii"), True
        if has_escapes and (not declared or codec_name(declared) in _ASCII) and _JAPANESE.search(raw):
            declared = _ISO_2022_JP
    for bom, name in _BOMS:
        if raw.startswith(bom):
            return raw[len(bom) :].decode(name, "replace"), True
    codec = codec_name(declared) if declared else None
    if codec == "cp1252" and (text := _strictly(raw, "utf_8")) is not None:
        # Declared ASCII or Latin-1, but valid UTF-8: such byte pairs do not occur by chance.
        return text, True
    if codec and (text := _strictly(raw, codec)) is not None:
        return text, True
    if codec == _ISO_2022_JP and raw.isascii():
        text = decode_iso_2022_jp(raw)
        return text, "\ufffd" not in text
    if codec and (text := _nearly(raw, codec)) is not None:
        return text, False
    return _guess(raw)


def decode_header(raw: bytes, declared: str | None) -> str:
    """Decode bytes of a header. They are UTF-8 (RFC 6532), or have the charset that the mail declares for its text."""
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    if not raw.isascii() and (text := _strictly(raw, "utf_8")) is not None:
        return text
    return decode(raw, declared)[0]


def decode_html(raw: bytes, declared: str | None) -> tuple[str, bool]:
    """Decode as `decode`; without a declared charset the document's own `<meta>` counts."""
    if declared is None and (found := _META.search(raw[:2048])):
        declared = found[1].decode("ascii")
    return decode(raw, declared)


def _is_wide(declared: str) -> bool:
    if declared in _NARROW:
        return False
    codec = codec_name(declared) or ""
    return codec.startswith(("utf_16", "utf_32", "utf_7", "u7", "u16", "u32", "utf7", "utf16", "utf32", "hz"))


def _strictly(raw: bytes, codec: str) -> str | None:
    try:
        text = raw.decode(codec)
    except (UnicodeError, ValueError):
        return None
    if _may_have_surrogates(codec) and _SURROGATES.search(text):
        return None
    return text


def _nearly(raw: bytes, codec: str) -> str | None:
    """Decode if all but a few bytes fit: one broken character must not turn the rest into gibberish."""
    text = raw.decode(codec, "replace")
    if _may_have_surrogates(codec):
        text = _SURROGATES.sub("\ufffd", text)
    broken = text.count("\ufffd")
    fitting = sum(1 for character in text[:DETECTOR_MOST] if "\x7f" < character != "\ufffd")
    return text if broken * TOLERATED <= len(raw) or broken < fitting else None


def _may_have_surrogates(codec: str) -> bool:
    """Return whether the codec gives half of a character, which is no Unicode and can be neither stored nor parsed."""
    return codecs.lookup(codec).name == "utf-7"


def _guess(raw: bytes) -> tuple[str, bool]:
    for codec in ("utf_8", "cp1252"):
        if (text := _strictly(raw, codec)) is not None:
            return text, codec == "utf_8"
    if (text := _nearly(raw, "utf_8")) is not None:
        return text, False
    if len(raw) >= DETECTOR_LEAST and (found := _detect(raw[:DETECTOR_MOST])):
        return raw.decode(found, "replace"), False
    return raw.decode("cp1252", "replace"), False


def _detect(raw: bytes) -> str | None:
    from charset_normalizer import from_bytes  # slow to import and rarely needed

    best = from_bytes(raw).best()
    return codec_name(best.encoding) if best else None

"""Undoes a Content-Transfer-Encoding (RFC 2045 §6), also one that is declared and not used."""

import binascii
import codecs
import contextlib
import re
from itertools import islice

#: Bytes that are examined before they count as Base64; the length of a text that may look like Base64 by chance.
SEEN = 4096
SHORT = 200
UNPADDED = 8
#: One other character in this many is an error of transport.
TOLERATED = 50

#: Lines of one uuencoded body that are decoded; the largest mail has so many of 61 characters.
MAX_UU_LINES = 1_100_000

_LINE = re.compile(rb"[^\r\n]+")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_OTHER_LINE = re.compile(rb"^[ \t]*+[A-Za-z0-9+/=]*+[ \t]*+[^ \t\r\n]", re.MULTILINE)


def decode_transfer_encoding(raw: bytes, encoding: str, *, is_text: bool = False) -> bytes:
    """Undo an encoding; an unknown one leaves the bytes as they are. *is_text*: the result must be text in UTF-8."""
    encoding = encoding.strip(" ;\"'")
    if encoding == "base64":
        return _undo_base64(raw, is_text)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(raw)
    if encoding in {"x-uuencode", "uuencode", "x-uue", "uue"}:
        return undo_uu(raw)
    return raw


def decode_base64(raw: bytes) -> bytes:
    """Decode Base64, with stray characters and missing padding tolerated; leave out what cannot be decoded."""
    try:
        return binascii.a2b_base64(raw)
    except binascii.Error:
        clean = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
        clean = clean[: len(clean) - 1] if len(clean) % 4 == 1 else clean
        return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def _undo_base64(raw: bytes, is_text: bool) -> bytes:
    """Decode Base64; text that is none stays as it is, also when it follows, as the footers of mailing lists do."""
    encoded, rest = raw, b""
    found = _OTHER_LINE.search(raw) if is_text else _OTHER_LINE.search(raw[:SEEN])
    if found and _has_others(raw[found.start() : found.start() + SEEN]):
        encoded, rest = raw[: found.start()], raw[found.start() :]
        if not _is_whole(encoded):
            return raw
    decoded = decode_base64(encoded)
    if is_text and len(encoded) <= SHORT and not (_is_long_enough(encoded) and _reads_as_text(decoded)):
        return raw
    return decoded + b"\n" + rest if rest else decoded


def _has_others(seen: bytes) -> bool:
    """Return whether too many characters are none of Base64, which has no blanks within a line, either."""
    lines = [line.strip() for line in seen.splitlines()]
    return len(b"".join(lines).translate(None, _ALPHABET)) > max(1, len(seen) // TOLERATED)


def _is_whole(encoded: bytes) -> bool:
    """Return whether these are lines of Base64 up to their end."""
    joined = b"".join(encoded.split())
    return bool(joined) and len(joined) % 4 == 0


def _is_long_enough(encoded: bytes) -> bool:
    """Return whether a short word without padding can be Base64: "Ok" would be a colon."""
    encoded = encoded.strip()
    return len(encoded) >= UNPADDED or encoded.endswith(b"=")


def _reads_as_text(decoded: bytes) -> bool:
    """Return whether it is text in UTF-8, in UTF-16 with a byte order mark, or in a one-byte charset, mostly ASCII."""
    try:
        text = decoded.decode("utf-16" if decoded[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")
    except UnicodeDecodeError:
        text = decoded.decode("cp1252", "replace")
        if 3 * sum(char.isascii() for char in text) < 2 * len(text) or "\ufffd" in text:
            return False
    return text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable()


def undo_uu(raw: bytes) -> bytes:
    """Decode uuencoded lines. A line says how long it is, so a false one could give much: no more than came in."""
    out = bytearray()
    for found in islice(_LINE.finditer(raw), MAX_UU_LINES):
        line = found[0]
        if line.startswith((b"begin ", b"end")) or not line.strip():
            continue
        try:
            out += binascii.a2b_uu(line)
        except binascii.Error:
            length = (((line[0] - 32) & 63) * 4 + 5) // 3
            with contextlib.suppress(binascii.Error):
                out += binascii.a2b_uu(line[:length])
        if len(out) > len(raw):
            break
    return bytes(out[: len(raw)])

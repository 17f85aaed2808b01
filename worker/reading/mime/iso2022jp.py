"""Decodes ISO-2022-JP (RFC 1468) with the characters that Windows adds to it, such as ①, ㈱ and ㎡ (NEC row 13).

Python's codecs know only the standard's characters. The 94 × 94 table is read as Shift-JIS (cp932), which has both.
"""

import re

#: An escape sequence that selects a set of characters.
_ESCAPE = re.compile(rb"\x1b(\$\(?[@BD]|\([BJIH])")
_TWO_BYTES = frozenset({b"$@", b"$B", b"$(@", b"$(B"})


def decode_iso_2022_jp(raw: bytes) -> str:
    """Return the text; what no set of characters has becomes U+FFFD."""
    first, *rest = _ESCAPE.split(raw)
    out = [_ascii(first)]
    for escape, segment in zip(rest[::2], rest[1::2], strict=True):
        line, newline, after = segment.partition(b"\n")  # every line begins in ASCII
        if escape in _TWO_BYTES:
            out.append(_shift_jis(line).decode("cp932", "replace"))
        elif escape == b"$(D":
            out.append(_supplement(line).decode("euc_jp", "replace"))
        elif escape == b"(I":
            out.append(line.translate(_HALF_WIDTH).decode("cp932", "replace"))
        else:
            out.append(_ascii(line))
        out.append(_ascii(newline + after))
    return "".join(out)


_HALF_WIDTH = bytes(byte | 0x80 if 0x20 < byte < 0x60 else byte for byte in range(256))


def _ascii(raw: bytes) -> str:
    return raw.decode("ascii", "replace")


def _shift_jis(pairs: bytes) -> bytes:
    """Move pairs of bytes from 0x21…0x7E to where Shift-JIS has them (JIS X 0208 annex 1)."""
    out = bytearray()
    at = 0
    while at < len(pairs):
        row, cell = pairs[at], pairs[at + 1] if at + 1 < len(pairs) else 0
        if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
            out.append(row)
            at += 1
            continue
        out.append((row + 1) // 2 + (0x70 if row < 0x5F else 0xB0))
        out.append(cell + (0x7E if row % 2 == 0 else 0x1F + (cell >= 0x60)))
        at += 2
    return bytes(out)


def _supplement(pairs: bytes) -> bytes:
    """Return pairs of JIS X 0212 as EUC-JP writes them."""
    return b"".join(
        b"\x8f" + bytes(byte | 0x80 for byte in pair) if len(pair := pairs[at : at + 2]) == 2 else pair
        for at in range(0, len(pairs), 2)
    )

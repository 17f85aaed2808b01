"""Writes the header fields that a service sends, unchanged: they give the same item id by every way of delivery.

Nothing is refused here: what a header must not contain is left out, and the mail is accepted.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from server.intake.header_fields import LINE
from server.intake.mime_writer import BODY_FIELDS

#: Bytes of headers that are written at most; the item id comes from the first 256 KiB of a mail.
MAX_HEADERS = 128 * 1024

#: Fields that are written first, so that long other fields cannot push them out.
_FIRST = (b"message-id", b"date", b"from", b"subject", b"to", b"cc")

_NAME = re.compile(rb"[!-9;-~]{1,76}")
_FOLDED = re.compile(rb"\r?\n(?=[ \t])")

HeaderPair = tuple[bytes, bytes]


def format_head(pairs: Iterable[HeaderPair]) -> bytes:
    """Return *pairs* as lines of header fields, without those that describe the original body."""
    kept = [(name, value) for name, value in pairs
            if _NAME.fullmatch(name) and not name.lower().startswith(tuple(map(str.encode, BODY_FIELDS)))]  # fmt: skip
    ordered = sorted(kept, key=lambda pair: pair[0].lower() not in _FIRST)
    written, size = [], 0
    for name, value in ordered:
        line = fold(name, value)
        size += len(line)
        if size > MAX_HEADERS:
            break
        written.append(line)
    return b"".join(written)


def fold(name: bytes, value: bytes) -> bytes:
    """Return a field folded at its spaces; its words stay as they are, also those outside ASCII (RFC 6532)."""
    lines, line = [], name + b":"
    for word in value.replace(b"\0", b" ").split():
        if len(line) + 1 + len(word) > LINE and line.strip() and not line.endswith(b":"):
            lines.append(line)
            line = b""
        line += b" " + word
    return b"\r\n".join([*lines, line]) + b"\r\n"


def parse_block(raw: bytes) -> list[HeaderPair]:
    """Return the fields of a block of headers as in a mail."""
    lines = _FOLDED.sub(b" ", raw[:MAX_HEADERS]).splitlines()
    split = (line.partition(b":") for line in lines)
    return [(name.strip(), value) for name, colon, value in split if colon]


def parse_json(raw: bytes) -> list[HeaderPair]:
    """Return the fields of a JSON list of [name, value] or {Name, Value}; other entries are left out."""
    try:
        entries = json.loads(raw)
    except (ValueError, RecursionError):
        return []
    return pairs_from_json(entries)


def pairs_from_json(entries: Any) -> list[HeaderPair]:
    """Return the same from parsed JSON."""
    found = []
    for entry in entries if isinstance(entries, list) else []:
        pair = (entry.get("Name", entry.get("name")), entry.get("Value", entry.get("value"))) \
            if isinstance(entry, dict) else entry  # fmt: skip
        if isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair):
            found.append((octets(pair[0]), octets(pair[1])))
    return found


def octets(text: str) -> bytes:
    """Return *text* in UTF-8; a lone surrogate, which JSON can contain, is replaced."""
    return text.encode("utf-8", "replace")


def first(found: Iterable[HeaderPair], name: bytes) -> bytes | None:
    """Return the value of the first field of that *name*, which is in lower case."""
    return next((value for known, value in found if known.lower() == name), None)

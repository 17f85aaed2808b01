"""Header fields that a service passes on, written as they were given: they identify the mail, by any way it comes.

Nothing is refused here: whatever a field has that no header may have is left out, and the mail is taken.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from server.compose import BODY_FIELDS
from server.headers import LINE

#: Bytes of a head that are passed on; identity is looked for in the first 256 KiB of a mail.
LONGEST = 128 * 1024

#: Fields that are written first, so that no long head pushes them out.
_FIRST = (b"message-id", b"date", b"from", b"subject", b"to", b"cc")

_NAME = re.compile(rb"[!-9;-~]{1,76}")
_FOLDED = re.compile(rb"\r?\n(?=[ \t])")

Pair = tuple[bytes, bytes]


def head(pairs: Iterable[Pair]) -> bytes:
    """Whole lines of header fields out of *pairs*; those that describe another body are left out."""
    kept = [(name, value) for name, value in pairs
            if _NAME.fullmatch(name) and not name.lower().startswith(tuple(map(str.encode, BODY_FIELDS)))]  # fmt: skip
    ordered = sorted(kept, key=lambda pair: pair[0].lower() not in _FIRST)
    written, size = [], 0
    for name, value in ordered:
        line = folded(name, value)
        size += len(line)
        if size > LONGEST:
            break
        written.append(line)
    return b"".join(written)


def folded(name: bytes, value: bytes) -> bytes:
    """A field whose words stand as they are, folded at its blanks; other octets than ASCII too (RFC 6532)."""
    lines, line = [], name + b":"
    for word in value.replace(b"\0", b" ").split():
        if len(line) + 1 + len(word) > LINE and line.strip() and not line.endswith(b":"):
            lines.append(line)
            line = b""
        line += b" " + word
    return b"\r\n".join([*lines, line]) + b"\r\n"


def block(raw: bytes) -> list[Pair]:
    """The fields of a head as it stood in a mail."""
    lines = _FOLDED.sub(b" ", raw[:LONGEST]).splitlines()
    split = (line.partition(b":") for line in lines)
    return [(name.strip(), value) for name, colon, value in split if colon]


def listed(raw: bytes) -> list[Pair]:
    """The fields of a JSON list of [name, value] or {Name, Value}; what is none of them is left out."""
    try:
        entries = json.loads(raw)
    except (ValueError, RecursionError):
        return []
    return pairs(entries)


def pairs(entries: Any) -> list[Pair]:
    """The same from what the JSON holds."""
    found = []
    for entry in entries if isinstance(entries, list) else []:
        pair = (entry.get("Name", entry.get("name")), entry.get("Value", entry.get("value"))) \
            if isinstance(entry, dict) else entry  # fmt: skip
        if isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair):
            found.append((octets(pair[0]), octets(pair[1])))
    return found


def octets(text: str) -> bytes:
    """UTF-8; half a character pair, which JSON can say, is replaced."""
    return text.encode("utf-8", "replace")


def first(found: Iterable[Pair], name: bytes) -> bytes | None:
    """The value of the first field of that name, in lower case."""
    return next((value for known, value in found if known.lower() == name), None)

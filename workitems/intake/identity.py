"""Item ids: computed from the raw bytes of a mail, so that the same mail gives the same id however it comes."""

import base64
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

#: Bytes from the start of a mail in which its headers are looked for; a longer header block is truncated here.
HEADER_LIMIT = 256 * 1024

#: Bytes of a file that are hashed at a time.
_PIECE = 256 * 1024

#: The headers that identify a mail, in the order in which they are hashed.
IDENTIFYING = (b"message-id", b"date", b"from", b"subject")

#: Where a line ends and the next is empty: no header comes after it.
_EMPTY_LINE = re.compile(rb"\n[\r\n]|\r\r")


def scan_headers(raw: bytes) -> dict[bytes, bytes]:
    """Return the first value of each identifying header, unfolded (RFC 5322 §2.2.3), each run of white space one blank.

    Servers and gateways fold again, so white space cannot distinguish two mails. Reads at most HEADER_LIMIT bytes and
    decodes nothing; a byte order mark and an mbox `From ` line before the first header are skipped. A line of
    blanks continues the header before it (obs-FWS, §4.2), as mail parsers do.
    """
    block = raw[:HEADER_LIMIT].removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if end := _EMPTY_LINE.search(block):
        block = block[: end.start() + 1]
    found: dict[bytes, bytes] = {}
    name, parts = b"", list[bytes]()
    for line in [*block.splitlines(), b""]:
        if line[:1] in (b" ", b"\t") and (parts or line.strip()):
            parts.append(line)
            continue
        if name in IDENTIFYING and name not in found:
            found[name] = b" ".join(b" ".join(parts).split())
        if not line.strip():
            break
        head, colon, value = line.partition(b":")
        name, parts = (head.strip().lower(), [value]) if colon else (b"", [])
    return found


def item_id(mailbox: str, raw: bytes) -> str:
    """Return `wi_` and 26 characters of base32: from mailbox, Message-ID, Date, From and Subject.

    Without a Message-ID from mailbox and the whole mail, since the other headers alone repeat in machine mail.
    """
    return item_id_from_head(mailbox, raw) or item_id_from_raw(mailbox, raw)


def item_id_from_head(mailbox: str, head: bytes) -> str | None:
    """Return the same from the first HEADER_LIMIT bytes; None without a Message-ID."""
    headers = scan_headers(head)
    if not headers.get(b"message-id", b"").strip(b"<> "):
        return None
    return _id(mailbox.encode(), *(headers.get(name, b"") for name in IDENTIFYING))


def item_id_from_raw(mailbox: str, raw: bytes) -> str:
    """Return an id from every byte of the mail."""
    return _id(mailbox.encode(), b"", raw)


def item_id_from_file(mailbox: str, path: Path) -> str:
    """Return `item_id_from_raw` of a mail in a file, read in pieces. Raises OSError."""
    digest = _digest([mailbox.encode(), b""])
    with path.open("rb") as file:
        digest.update(b"%d:" % os.fstat(file.fileno()).st_size)
        while piece := file.read(_PIECE):
            digest.update(piece)
    return _named(digest)


def fingerprint(raw: bytes) -> str:
    """Return 32 hexadecimal digits that distinguish the variants of a mail."""
    return hashlib.sha256(raw).hexdigest()[:32]


def message_key(message_id: str) -> str:
    """Return the form of a Message-ID by which threads are joined; bounded, whatever a stranger wrote."""
    return hashlib.sha256(message_id.strip().encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _id(*parts: bytes) -> str:
    return _named(_digest(parts))


def _named(digest: "hashlib._Hash") -> str:
    return "wi_" + base64.b32encode(digest.digest()[:20]).decode().lower()[:26]


def _digest(parts: Iterable[bytes]) -> "hashlib._Hash":
    digest = hashlib.sha256()
    for part in parts:  # the length before each part, so that no two lists of parts run together the same
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest

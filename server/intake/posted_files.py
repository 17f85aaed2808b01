"""Makes the files of a mail from what was posted.

One that cannot be decoded, or did not come, becomes a file without content that says why. To refuse it would lose the
mail: many senders do not try again.
"""

import binascii
import re
from collections.abc import Iterator
from typing import Any

from server.intake.mime_writer import MimeAttachment, OctetSource

#: Why a file has no content; `worker/reading/attachments/file_list.py` has a sentence for each.
EMPTY, UNDECODABLE, MISSING = "empty", "undecodable", "missing"

#: Characters of base64 that are decoded at a time; other threads can run in between.
_SLICE = 256 * 1024

#: The other alphabet (RFC 4648 §5), and what line breaks and indentation consist of.
_URL_SAFE, _BLANKS = bytes.maketrans(b"-_", b"+/"), b" \t\r\n\v\f"
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*+")


def file_in_base64(filename: str, content_type: str, content: Any, content_id: str = "") -> MimeAttachment:
    """Return a file whose *content* is a value of JSON: its bytes in base64, or anything else."""
    compact = compact_base64(content) if isinstance(content, str) else None
    if compact:
        return MimeAttachment(filename, content_type, decode_compact(compact), content_id)
    return unread_file(filename, content_type, EMPTY if content is None or compact == b"" else UNDECODABLE)


def unread_file(filename: str, content_type: str, reason: str) -> MimeAttachment:
    """Return a file without content. It has no Content-ID, so that it is listed and not shown as a picture."""
    return MimeAttachment(filename, content_type, lambda: (), unread=reason)


def compact_base64(text: str) -> bytes | None:
    """Return *text* in the standard alphabet, without blanks and padding; None if it is not base64 (RFC 4648)."""
    octets = (text if text.isascii() else "".join(text.split())).encode("utf-8", "replace")
    compact = octets.translate(_URL_SAFE, _BLANKS).rstrip(b"=")
    return compact if len(compact) % 4 != 1 and _BASE64.fullmatch(compact) else None


def decode_compact(compact: bytes) -> OctetSource:
    """Return a source of the bytes that a result of `compact_base64` encodes."""

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(compact), _SLICE):
            piece = compact[start : start + _SLICE]
            yield binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))

    return pieces

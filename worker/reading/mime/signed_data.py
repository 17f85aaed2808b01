"""Opens S/MIME: mail whose content is inside its signature (SignedData, RFC 8551 §3.5); says what is encrypted."""

import re
from typing import Any

from worker.reading.limits import ReadingLimits
from worker.reading.mime.parts import MimeTree, Part, parse_mime
from worker.reading.mime.transfer import decode_base64

#: Bytes of a signature with content that are read, and signatures that are opened in one mail.
MAX_BYTES, MAX_OPENED = 32 * 1024 * 1024, 3

#: The types that gateways use. What the bytes say decides: some send signatures as octet-stream.
_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime", "application/octet-stream"})
_NAMES = re.compile(r"\.(?:p7m|p7|pkcs7)$", re.IGNORECASE)
_ENCRYPTED_TYPES = frozenset({"multipart/encrypted"})
_SIGNED, _ENVELOPED = "signed_data", ("enveloped_data", "authenticated_enveloped_data", "encrypted_data")
_ENTITY = re.compile(rb"\s{0,10}[A-Za-z-]{1,40}:")


def open_signed_data(tree: MimeTree, limits: ReadingLimits) -> bool:
    """Replace each signature with content in *tree* by that content; return whether a part of it is encrypted.

    A signature is not verified: its content is read like any other.
    """
    encrypted = False
    opened = 0
    waiting = [tree.root]
    while waiting:
        part = waiting.pop()
        waiting += reversed(part.children)
        encrypted |= part.type in _ENCRYPTED_TYPES
        if not _may_be_signed(part) or opened >= MAX_OPENED:
            continue
        opened += 1
        kind, content = read_content_info(part.body(MAX_BYTES))
        encrypted |= kind in _ENVELOPED
        if kind == _SIGNED and content:
            inner = parse_mime(content if _ENTITY.match(content) else b"\r\n" + content, limits)
            tree.truncated |= inner.truncated
            part.type, part.children = "multipart/mixed", [inner.root]
            waiting.append(inner.root)
    return encrypted


def _may_be_signed(part: Part) -> bool:
    if part.type not in _TYPES:
        return False
    if part.type != "application/octet-stream":
        return True
    name = part.disposition()[1].get("filename") or part.parameters.get("name") or ""
    return _NAMES.search(name) is not None


def read_content_info(raw: bytes) -> tuple[str, bytes]:
    """Return (the name of the content type, the content of a SignedData); ("", b"") when it is neither."""
    from asn1crypto import cms  # takes 20 ms; rarely needed

    if not raw.startswith(b"\x30"):
        raw = decode_base64(raw.replace(b"-----BEGIN PKCS7-----", b"").replace(b"-----END PKCS7-----", b""))
    try:
        info: Any = cms.ContentInfo.load(raw)
        kind = str(info["content_type"].native)
        if kind != _SIGNED:
            return kind, b""
        content = info["content"]["encap_content_info"]["content"].native
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "", b""
    return kind, content if isinstance(content, bytes) else b""

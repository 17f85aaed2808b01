"""Splits a mail into its parts (RFC 2045, 2046) at their boundaries, without copying or recursion in the parser.

Own code instead of `email.message_from_bytes`: it reads the mail line by line, recurses once a
level, and has no bound on parts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.reading.limits import ReadingLimits
from worker.reading.mime.headers import Headers, parse_headers, parse_parameters
from worker.reading.mime.transfer import decode_transfer_encoding

#: Lines before the first header field.
_EMPTY = re.compile(rb"[\r\n]*")
#: A header field that begins after a CR without LF. Bytes of a mail that are searched for it.
_CR_FIELD = re.compile(
    rb"\r(?:from|to|cc|subject|date|reply-to|sender|message-id|mime-version|received|return-path|content-[a-z-]{1,30}"
    rb"|x-[a-z0-9-]{1,40})[ \t]{0,20}:",
    re.IGNORECASE,
)
HEADERS_SEEN = 16 * 1024
#: Charsets of which it can be said whether bytes are text.
_PLAIN_CHARSETS = frozenset({"", "utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252"})


#: Positions in one part that look like its boundary but may not be one.
MAX_MARKS = 100_000
BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Part:
    """One MIME entity: its headers, its type, and the position of its body in the raw mail."""

    headers: Headers
    type: str
    parameters: dict[str, str]
    raw: bytes
    start: int
    end: int
    children: list["Part"] = field(default_factory=list)

    def body(self, max_bytes: int | None = None) -> bytes:
        """Return the body, decoded; if `max_bytes` is given, only so many of the encoded bytes are used."""
        end = self.end if max_bytes is None else min(self.end, self.start + max_bytes)
        encoding = self.headers.plain("content-transfer-encoding")
        is_text = (
            self.type.startswith("text/")
            and self.parameters.get("charset", "").lower() in _PLAIN_CHARSETS
            and not self.is_file()
        )
        return decode_transfer_encoding(self.raw[self.start : end], encoding, is_text=is_text)

    def is_file(self) -> bool:
        """Return whether the part has a file name, or is to be shown as an attachment."""
        kind, values = self.disposition()
        return kind == "attachment" or bool(values.get("filename") or self.parameters.get("name"))

    def disposition(self) -> tuple[str, dict[str, str]]:
        """Return ("inline", "attachment" or "", its parameters)."""
        value = self.headers.raw("content-disposition")
        return parse_parameters(value, self.headers.charset) if value else ("", {})


@dataclass(slots=True)
class MimeTree:
    """A mail's tree of parts; `truncated` when parts or levels beyond the limits were left out."""

    root: Part
    truncated: bool = False
    is_broken: bool = False


def parse_mime(raw: bytes, limits: ReadingLimits) -> MimeTree:
    """Return the tree of parts of a raw mail. Any bytes give a tree; an empty mail gives one empty part."""
    root = split_headers(raw, limits)
    structure = MimeTree(root, truncated=root.headers.truncated, is_broken=root.headers.is_broken)
    waiting = [(root, 0)]
    count = 1
    while waiting:
        part, depth = waiting.pop()
        if not part.type.startswith("multipart/"):
            continue
        if depth >= limits.depth:
            structure.truncated = True
            continue
        default = "message/rfc822" if part.type == "multipart/digest" else "text/plain"
        spans, whole = _split(part, limits.parts - count)
        structure.truncated |= not whole
        part.children = [_entity(root.raw, first, last, default, limits) for first, last in spans]
        structure.is_broken |= not part.parameters.get("boundary")
        if not part.children:  # no boundary, or one that never comes: keep the content
            structure.is_broken = True
            part.type = "text/plain"
        count += len(part.children)
        waiting += [(child, depth + 1) for child in part.children]
    _inherit_charset(root)
    return structure


def _inherit_charset(root: Part) -> None:
    """Give the charset of the first text that declares one to the headers of all parts that declare none."""
    parts = [root]
    for part in parts:  # the list grows while it is read
        parts += part.children
    declared = next((part.headers.charset for part in parts if part.headers.charset), None)
    for part in parts:
        part.headers.charset = part.headers.charset or declared


def _with_newlines(raw: bytes) -> bytes:
    """Return the mail with LF line ends if its header fields end with CR alone, as those of old Macs."""
    seen = raw[:HEADERS_SEEN]
    start = seen[: min((at for mark in (b"\n\r\n", b"\n\n") if (at := seen.find(mark)) >= 0), default=len(seen))]
    if start.count(b"\r") == start.count(b"\r\n") or (b"\n" in seen and _CR_FIELD.search(start) is None):
        return raw
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def split_headers(raw: bytes, limits: ReadingLimits) -> Part:
    """Return the mail as one part: its headers read, its body not yet opened."""
    raw = _with_newlines(raw)
    start = len(BOM) if raw.startswith(BOM) else 0
    return _entity(raw, _EMPTY.match(raw, start).end(), len(raw), "text/plain", limits)  # type: ignore[union-attr]


def _entity(raw: bytes, start: int, end: int, default: str, limits: ReadingLimits) -> Part:
    headers, body = parse_headers(raw, start, end, limits)
    value = headers.raw("content-type")
    kind, values = parse_parameters(value) if value else (default, {})
    if kind.count("/") != 1 or " " in kind or len(kind) > 120:
        kind = "text/plain" if kind in ("", "text", "plain") or value is None else "application/octet-stream"
    if kind.startswith("text/"):
        headers.charset = values.get("charset") or None
    return Part(headers, kind, values, raw, body, end)


def _split(part: Part, most: int) -> tuple[list[tuple[int, int]], bool]:
    """Return (spans of the children, whether that is all of them). Without a boundary there are none."""
    boundary = part.parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
    if not boundary or part.raw.find(b"--" + boundary, part.start, part.end) < 0:
        found = _UNANNOUNCED.search(part.raw, part.start, min(part.end, part.start + 4096))
        if found is None:
            return [], True
        boundary = found[1]
    spans: list[tuple[int, int]] = []
    opened: int | None = None
    for at, after, last in _delimiters(part, b"--" + boundary):
        if at < 0 or (opened is not None and len(spans) >= most):
            return spans, False
        if opened is not None:
            spans.append((opened, max(opened, _before_newline(part.raw, at))))
        opened = after
        if last:
            return spans, True
    if opened is not None and opened < part.end:  # the closing line is missing
        spans.append((opened, part.end))
    return spans[:most], len(spans) <= most


def _delimiters(part: Part, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, whether it closes the multipart) of each delimiter line; at -1 when there are too many."""
    at = part.raw.find(mark, part.start, part.end)
    for _ in range(MAX_MARKS):
        if at < 0:
            return
        after = at + len(mark)
        if at == part.start or part.raw[at - 1] == 0x0A:
            rest = _REST.match(part.raw, after, part.end)
            if rest is not None:
                after = rest.end()
                yield at, after, bool(rest[1])
        at = part.raw.find(mark, after, part.end)
    yield -1, -1, True


#: A line that must be a boundary, since a header field follows: for mail that declares none, or a wrong one.
_UNANNOUNCED = re.compile(rb"^--(\S{1,70})\r?\n(?=[Cc]ontent-[A-Za-z-]{1,40}:)", re.MULTILINE)
_REST = re.compile(rb"(--)?[ \t]{0,80}(\r{0,2}\n|\Z)")


def _before_newline(raw: bytes, at: int) -> int:
    at -= raw[at - 1 : at] == b"\n"
    return at - (raw[at - 1 : at] == b"\r")

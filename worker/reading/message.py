"""The parts of a mail (RFC 2045, 2046), split at their boundaries without copying or recursion in the parser.

Own code instead of `email.message_from_bytes`: that one goes through the mail line by line, recurses once a
level, and has no bound on parts.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.reading.headers import Headers, decode_base64, parameters, split_block
from worker.reading.limits import Limits

#: Lines before the first header field.
_EMPTY = re.compile(rb"[\r\n]*")


#: Places in one part that look like its boundary and may not be.
MAX_MARKS = 100_000
BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Part:
    """One MIME entity: its headers, its type, and where its body lies in the raw mail."""

    headers: Headers
    type: str
    parameters: dict[str, str]
    raw: bytes
    start: int
    end: int
    children: list["Part"] = field(default_factory=list)

    def body(self, most: int | None = None) -> bytes:
        """The body with its transfer encoding undone; only the first `most` bytes of what was sent when given."""
        end = self.end if most is None else min(self.end, self.start + most)
        return undo_encoding(self.raw[self.start : end], self.headers.plain("content-transfer-encoding"))

    def disposition(self) -> tuple[str, dict[str, str]]:
        """("inline", "attachment" or "", its parameters)."""
        value = self.headers.raw("content-disposition")
        return parameters(value) if value else ("", {})


@dataclass(slots=True)
class Structure:
    """A mail's tree of parts; `truncated` when parts or levels beyond the limits were left out."""

    root: Part
    truncated: bool = False
    broken: bool = False


def parse(raw: bytes, limits: Limits) -> Structure:
    """The tree of parts of a raw mail. Any bytes give a tree; an empty mail gives one empty part."""
    root = split_headers(raw, limits)
    structure = Structure(root, truncated=root.headers.truncated, broken=root.headers.broken)
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
        part.children = [_entity(raw, first, last, default, limits) for first, last in spans]
        structure.broken |= not part.parameters.get("boundary")
        if not part.children:  # no boundary, or none that is there: what is inside must not vanish
            structure.broken = True
            part.type = "text/plain"
        count += len(part.children)
        waiting += [(child, depth + 1) for child in part.children]
    return structure


def split_headers(raw: bytes, limits: Limits) -> Part:
    """The mail as one part: its headers read, its body not yet opened."""
    start = len(BOM) if raw.startswith(BOM) else 0
    return _entity(raw, _EMPTY.match(raw, start).end(), len(raw), "text/plain", limits)  # type: ignore[union-attr]


def _entity(raw: bytes, start: int, end: int, default: str, limits: Limits) -> Part:
    headers, body = split_block(raw, start, end, limits)
    value = headers.raw("content-type")
    kind, values = parameters(value) if value else (default, {})
    if kind.count("/") != 1 or " " in kind or len(kind) > 120:
        kind = "text/plain" if kind in ("", "text", "plain") or value is None else "application/octet-stream"
    return Part(headers, kind, values, raw, body, end)


def _split(part: Part, most: int) -> tuple[list[tuple[int, int]], bool]:
    """(spans of the children, whether that is all of them). Without a boundary there are none."""
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
    """(start, end, whether it closes the multipart) of each delimiter line; at -1 when there were too many marks."""
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


#: A line that must be a boundary, since a header field follows: for mail that announces none, or another.
_UNANNOUNCED = re.compile(rb"^--(\S{1,70})\r?\n(?=[Cc]ontent-[A-Za-z-]{1,40}:)", re.MULTILINE)
_REST = re.compile(rb"(--)?[ \t]{0,80}(\r?\n|\Z)")


def _before_newline(raw: bytes, at: int) -> int:
    at -= raw[at - 1 : at] == b"\n"
    return at - (raw[at - 1 : at] == b"\r")


def undo_encoding(raw: bytes, encoding: str) -> bytes:
    """The bytes without their Content-Transfer-Encoding; an unknown encoding leaves them as they are."""
    encoding = encoding.strip(" ;\"'")
    if encoding == "base64":
        return decode_base64(raw)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(raw)
    if encoding in {"x-uuencode", "uuencode", "x-uue", "uue"}:
        return _undo_uu(raw)
    return raw


def _undo_uu(raw: bytes) -> bytes:
    out = []
    for line in raw.splitlines():
        if line.startswith((b"begin ", b"end")) or not line.strip():
            continue
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            length = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                out.append(binascii.a2b_uu(line[:length]))
            except binascii.Error:
                continue
    return b"".join(out)

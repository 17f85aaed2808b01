"""Reads header fields leniently: lists, encoded words, dates, ids, parameters (RFC 5322, 2047, 2231).

The standard library's readers raise on real mail (newlines in encoded words, ids in brackets, odd charsets) or
recurse on nested comments; these give what can be read and never raise.
"""

import binascii
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from urllib.parse import unquote_to_bytes

from worker.reading.limits import ReadingLimits
from worker.reading.mime import charset
from worker.reading.mime.characters import plain_characters, remove_controls
from worker.reading.mime.transfer import decode_base64

#: Bytes of one field's value that are examined, and encoded words in it.
MAX_VALUE = 64 * 1024
MAX_ENCODED_WORDS = 2_000
#: Ids of In-Reply-To and References that are kept; characters of one id.
MAX_REFERENCES = 50
MAX_ID = 500
#: Years in which a Date header is accepted.
YEARS = range(1980, 2101)

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]{0,20}:")
#: A correct field with its folded lines. Anything else is read line by line.
_WELL_FORMED = re.compile(rb"([A-Za-z0-9-]{1,200}):(.*+(?:\n[ \t].*+)*+)\n")
_ENCODED = re.compile(r"=\?([A-Za-z0-9_.:+*/-]{1,80})\?([bBqQ])\?([^?]{0,8000})\?=")
_ID = re.compile(r"<([^<>\s]{1,500})>")
_PARAMETER = re.compile(r";\s*([!#$&+^_`{}|~%'A-Za-z0-9.*-]{1,60})\s*=\s*(\"(?:[^\"\\]++|\\.)*+\"?|[^;]*)")
#: What a type or a disposition cannot have (RFC 2045 §5.1).
_NO_TOKEN = re.compile(r"[^!-~]+")
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?$")


@dataclass(slots=True)
class Headers:
    """One header block: (lower-case name, raw unfolded value) in order, and whether something in it was broken."""

    fields: list[tuple[str, bytearray]] = field(default_factory=list)
    is_broken: bool = False
    truncated: bool = False
    #: The charset that the mail declares for its text: some programs write it into headers without encoding.
    charset: str | None = None
    _first: dict[str, bytearray] = field(default_factory=dict)

    def add(self, name: bytes, value: bytes) -> None:
        """Append a field."""
        self.fields.append((name.decode("ascii").lower(), bytearray(value)))

    def raw(self, name: str) -> bytes | None:
        """Return the value of the first field of that name."""
        if len(self._first) == 0 and self.fields:
            self._first.update(reversed(self.fields))  # the first field of each name is inserted last
        value = self._first.get(name)
        return None if value is None else bytes(value)

    def text(self, name: str) -> str:
        """Return the decoded value of the first field of that name on one line, "" when absent."""
        value = self.raw(name)
        return decode_text(value, self.charset) if value else ""

    def plain(self, name: str) -> str:
        """Return the value in lower case without decoding, for headers that machines write."""
        value = self.raw(name)
        return value[:MAX_VALUE].decode("latin-1").strip().lower() if value else ""


def parse_headers(raw: bytes, start: int, end: int, limits: ReadingLimits) -> tuple[Headers, int]:
    """Return (headers, start of the body) of `raw[start:end]`. Without any header field everything is body."""
    headers = Headers()
    position = start
    last = min(end, start + limits.header_bytes)
    while position < end:
        if position >= last or len(headers.fields) >= limits.header_fields:
            headers.truncated = True
            return headers, _after_blank_line(raw, max(start, position - 2), end)
        folded = raw[position] in b" \t"
        if not folded and (found := _WELL_FORMED.match(raw, position, min(last, position + MAX_VALUE))):
            value = found[2].removesuffix(b"\r").replace(b"\r\n", b"").replace(b"\n", b"")
            if b"\r" not in value:
                headers.add(found[1], value)
                position = found.end()
                continue
        line_end = raw.find(b"\n", position, end)
        after = end if line_end < 0 else line_end + 1
        line = raw[position : min(after, last)].rstrip(b"\r\n")
        if not line:
            return headers, after
        if not _take_line(headers, line):
            if not _looks_like_field(raw, after, end):
                headers.is_broken = True
                return headers, position
            headers.is_broken = headers.is_broken or not line.startswith((b"From ", b">From "))
        position = after
    return headers, end


def _take_line(headers: Headers, line: bytes) -> bool:
    if line[:1] in b" \t" and headers.fields:
        if len(headers.fields[-1][1]) < MAX_VALUE:
            headers.fields[-1][1].extend(line)
        return True
    found = _FIELD.match(line)
    if found is None:
        return False
    headers.add(found[1], line[found.end() :])
    return True


def _looks_like_field(raw: bytes, start: int, end: int) -> bool:
    return _FIELD.match(raw, start, min(end, start + 250)) is not None


def _after_blank_line(raw: bytes, start: int, end: int) -> int:
    found = [at + len(mark) for mark in (b"\r\n\r\n", b"\n\n") if (at := raw.find(mark, start, end)) >= 0]
    return min(found, default=end)


def decode_text(value: bytes, declared: str | None = None) -> str:
    """Return a header's value for people: decoded, on one line. *declared*: the charset of bytes that are not ASCII."""
    return one_line(decode_encoded_words(charset.decode_header(value[:MAX_VALUE], declared)))


def one_line(text: str) -> str:
    """Collapse blanks; remove control characters, lone surrogates and characters without width."""
    if not text.isascii():
        text = plain_characters(text)
    return " ".join((text if text.isprintable() else remove_controls(text)).split())


def decode_encoded_words(text: str) -> str:
    """Decode RFC 2047 encoded words; neighbours in one charset are joined as bytes, since some split characters."""
    if "=?" not in text:
        return text
    out: list[str] = []
    pending, pending_charset = b"", ""
    position = 0
    for count, found in enumerate(_ENCODED.finditer(text)):
        if count >= MAX_ENCODED_WORDS:
            break
        name = found[1].partition("*")[0].lower()
        between = text[position : found.start()]
        content = _unword(found[2], found[3])
        if pending_charset and not between.strip() and name == pending_charset:
            pending += content
        else:
            if pending_charset:
                out.append(charset.decode(pending, pending_charset)[0])
                between = between if between.strip() else ""
            out.append(between)
            pending, pending_charset = content, name
        position = found.end()
    if pending_charset:
        out.append(charset.decode(pending, pending_charset)[0])
    out.append(text[position:])
    return "".join(out)


def _unword(encoding: str, content: str) -> bytes:
    raw = content.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(raw.replace(b" ", b"_"), header=True)
    return decode_base64(raw)


def parse_parameters(value: bytes, declared: str | None = None) -> tuple[str, dict[str, str]]:
    """Return (main value in lower case, parameters) of a Content-… field; RFC 2231 pieces are joined.

    *declared* is the charset of bytes that are not ASCII; a parameter `charset` in the same field comes first.
    """
    text = value[:MAX_VALUE].decode("utf-8", "surrogateescape").replace("\r", " ").replace("\n", " ")
    main, _, rest = text.partition(";")
    main, *lost = main.split(None, 1) or [""]
    if lost and "=" in lost[0]:  # the semicolon is missing
        rest = f"{lost[0]};{rest}"
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(";" + rest)):
        if count >= 100:
            break
        name = found[1].lower()
        number, extended = 0, False
        if "*" in name:
            if (section := _SECTION.match(name)) is None:
                continue
            name, number, extended = section[1], int(section[2] or 0), bool(section[3])
        pieces.setdefault(name, {}).setdefault(number, (extended, _unquote(found[2])))
    own = pieces.get("charset", {}).get(0)
    declared = own[1] if own else declared
    return _NO_TOKEN.sub("", main).lower(), {name: _join(parts, declared) for name, parts in pieces.items()}


def _unquote(value: str) -> str:
    value = value.strip()
    if not value.startswith('"'):
        return value
    if "\\" not in value:
        return value[1:].removesuffix('"')
    return re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"') if not value.endswith('\\"') else value[1:])


def _join(parts: dict[int, tuple[bool, str]], declared: str | None) -> str:
    ordered = [parts[number] for number in sorted(parts)]
    if not any(extended for extended, _ in ordered):
        raw = "".join([text for _, text in ordered]).encode("utf-8", "surrogateescape")
        return decode_text(raw, declared)
    name, raw = "", b""
    for index, (extended, text) in enumerate(ordered):
        if extended and index == 0 and text.count("'") >= 2:
            name, _, text = text.split("'", 2)
        raw += (
            unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
            if extended
            else text.encode("utf-8", "surrogateescape")
        )
    return one_line(charset.decode(raw, name or None)[0])


def parse_date(value: bytes | None) -> str | None:
    """Return a Date header as UTC `YYYY-MM-DDTHH:MM:SSZ`; None if it is no date or not plausible."""
    if not value:
        return None
    text = value[:200].decode("latin-1")
    if "(" in text:
        text = re.sub(r"\([^()]{0,100}\)", " ", text)
    try:
        parsed = parsedate_tz(text.strip())
        if parsed is None or parsed[5] > 60:
            return None
        year, month, day, hour, minute, second, *_, offset = parsed
        leap = max(second - 59, 0)
        local = datetime(year, month, day, hour, minute, second - leap, tzinfo=UTC)
        moment = local + timedelta(seconds=leap - (offset or 0))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.isoformat()[:19] + "Z" if moment.year in YEARS else None


def parse_message_id(value: bytes | None) -> str | None:
    """Return the id as `<…>`; brackets are added where the sender forgot them."""
    if not value:
        return None
    text = one_line(value[:MAX_VALUE].decode("utf-8", "replace"))
    if found := _ID.search(text):
        return found[0]
    bare = text.strip("<> ").split(" ")[0][:MAX_ID]
    return f"<{bare}>" if bare else None


def parse_references(headers: Headers) -> tuple[str, ...]:
    """Return the ids of the parents, nearest first: In-Reply-To, then References from its end."""
    near, far = (headers.raw("in-reply-to") or b"")[:MAX_VALUE], (headers.raw("references") or b"")[-MAX_VALUE:]
    found = [_ID.findall(remove_controls(value.decode("utf-8", "replace"))) for value in (near, far)]
    ids = dict.fromkeys(f"<{identity}>" for identity in [*found[0], *reversed(found[1])])
    return tuple(ids)[:MAX_REFERENCES]

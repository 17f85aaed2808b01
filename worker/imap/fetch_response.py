"""Parses FETCH responses (RFC 3501 §7.4.2). Every number and date of the server is checked."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from worker.imap.errors import ProtocolError
from worker.imap.framing import ServerResponse
from worker.imap.quoting import MAX_NUMBER, MONTHS

#: The value of one FETCH item: a string (None for NIL), or the flat content of a list.
Value = bytes | None | list[bytes | None]

#: The most messages of one batch: larger batches are not faster.
MAX_BATCH_MAILS = 50

#: Bytes of responses, without literals, that are parsed at once on the event loop: 1 ms, of a hostile server 10 ms.
READ_AT_ONCE = 16 << 10

#: The most values and brackets of one response: parsing them takes 10 ms, in which no other mailbox is served.
MAX_VALUES = 2_500

#: Response codes (RFC 5530) of a refusal that is not about one message: none is given now, all are later.
TRANSIENT_CODES = frozenset({"THROTTLED", "OVERQUOTA", "LIMIT", "INUSE"})

#: The most announced bytes of one batch; a larger message is fetched alone.
MAX_BATCH_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a message before its body is fetched. `size` in bytes, as the server announces it.

    `internaldate` is aware, in UTC, or None when the server gives none that can be parsed.
    """

    uid: int
    size: int
    internaldate: datetime | None
    flags: frozenset[str]


def split_batches(summaries: Iterable[Summary]) -> Iterator[list[Summary]]:
    """Split *summaries* so that each batch is one fast command and fits in memory."""
    batch: list[Summary] = []
    held = 0
    for summary in summaries:
        if batch and (len(batch) >= MAX_BATCH_MAILS or held + summary.size > MAX_BATCH_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(summary)
        held += summary.size
    if batch:
        yield batch


async def parse_fetch(responses: Iterable[ServerResponse]) -> dict[int, dict[bytes, Value]]:
    """Return the FETCH items of *responses*, merged by UID. Those without a UID come from other clients: skipped."""
    found: dict[int, dict[bytes, Value]] = {}
    read = 0
    for response in responses:
        read += sum(map(len, response[::2]))
        if read > READ_AT_ONCE:
            read = 0
            await asyncio.sleep(0)
        items = _items(response)
        uid = items.get(b"UID")
        if isinstance(uid, bytes):
            found.setdefault(parse_number(uid, "UID"), {}).update(items)
    return found


def parse_summary(uid: int, items: dict[bytes, Value]) -> Summary:
    """Return the summary of *uid*. ProtocolError without a size: as a message that is gone, the mail would be lost."""
    size, when, flags = items.get(b"RFC822.SIZE"), items.get(b"INTERNALDATE"), items.get(b"FLAGS")
    if not isinstance(size, bytes):
        raise ProtocolError(f"the server gives no RFC822.SIZE of UID {uid}")
    names = flags if isinstance(flags, list) else []
    return Summary(
        uid,
        _size(size),
        parse_internaldate(when) if isinstance(when, bytes) else None,
        frozenset(name.decode("utf-8", "replace") for name in names if name),
    )


def _size(raw: bytes) -> int:
    """Return the announced size. A wrong one gives 0, corrected by the fetch: one mail must not stop the others."""
    if not re.fullmatch(rb"-?[0-9]{1,19}", raw):
        return 0
    size = int(raw)
    if -(2**31) <= size < 0:
        size += 2**32  # counted with 32 bits: a mail of more than 2 GB
    return size if 0 <= size < 2**63 else 0


def section_bytes(items: dict[bytes, Value], name: bytes) -> bytes | None:
    """Return the bytes of section *name*, from a literal, a quoted string or NIL (no bytes); None if not given."""
    for key in (name, name + b"<0>"):
        if key in items:
            value = items[key]
            if isinstance(value, list):
                raise ProtocolError(f"the server gives a list for {name.decode()}")
            return value or b""
    return None


def parse_number(raw: bytes, what: str) -> int:
    """Return a number of the server, or raise ProtocolError: a wrong one, once stored, would hide mail."""
    if not re.fullmatch(rb"[0-9]{1,19}", raw) or not 1 <= int(raw) <= MAX_NUMBER:
        raise ProtocolError(f"the server gives a wrong {what}; accepted are 1 to {MAX_NUMBER}")
    return int(raw)


_INTERNALDATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")


def parse_internaldate(raw: bytes) -> datetime | None:
    """Return `17-Jul-1996 02:44:25 -0700` in UTC, or None when it is no date (the caller has its own clock)."""
    match = _INTERNALDATE.fullmatch(raw)
    if not match:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
    try:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == b"-" else 1)
        place = MONTHS.index(month.decode().capitalize()) + 1
        local = datetime(int(year), place, int(day), int(hour), int(minute), int(second), tzinfo=timezone(offset))
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


#: The items that we ask for; others are dropped, since a server may send any number of them.
_KNOWN = frozenset({b"UID", b"RFC822.SIZE", b"INTERNALDATE", b"FLAGS"})
_SECTIONS = (b"BODY[]", b"BODY[HEADER]")

_FETCH = re.compile(rb"\d{1,10} FETCH \(", re.IGNORECASE)

#: A bracket, a quoted string, or an atom; `BODY[HEADER.FIELDS (TO)]<0>` is one atom. Each alternative is linear.
_TOKEN = re.compile(
    rb'\s*(?:(?P<bracket>[()])|"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"|(?P<atom>(?:[^\s()"\[]|\[[^\[\]]{0,256}\]|\[)+))',
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ANNOUNCED = re.compile(rb"~?\{\d+\}\Z")


def _items(response: ServerResponse) -> dict[bytes, Value]:
    """Return the items of one FETCH response, or none for any other response."""
    start = _FETCH.match(response[0])
    if not start:
        return {}
    items: dict[bytes, Value] = {}
    name: bytes | None = None
    group: list[bytes | None] = []
    depth = 1
    for count, (bracket, value) in enumerate(_tokens(response, start.end())):
        if count > MAX_VALUES:
            raise ProtocolError(f"the server's FETCH response holds more than {MAX_VALUES:,} values")
        if bracket:
            depth += 1 if bracket == b"(" else -1
            if depth == 0:
                return {name: value for name, value in items.items() if name in _KNOWN or name.startswith(_SECTIONS)}
            if bracket == b"(" and depth == 2:
                group = []
            elif depth == 1 and name is not None:
                items[name], name = group, None
        elif depth > 1:
            group.append(value)
        elif name is None:
            name = (value or b"").upper()
        else:
            items[name], name = value, None
    raise ProtocolError("the server's FETCH response has no end")


def _tokens(response: ServerResponse, position: int) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield the brackets and values of a response in order: (bracket, None) or (b"", value)."""
    for place, piece in enumerate(response):
        if place % 2:
            yield b"", piece
            continue
        announced = _ANNOUNCED.search(piece, max(0, len(piece) - 24)) if place + 1 < len(response) else None
        end = announced.start() if announced else len(piece.rstrip())
        while token := _TOKEN.match(piece, position, end):  # finditer would try a run of blanks from each blank
            position = token.end()
            yield _value(token)
        if piece[position:end].strip():
            raise ProtocolError("the server's FETCH response cannot be read")
        position = 0


def _value(token: re.Match[bytes]) -> tuple[bytes, bytes | None]:
    text = token[token.lastindex or 0]
    if token.lastgroup == "atom":
        return b"", text if len(text) != 3 or text.upper() != b"NIL" else None
    if token.lastgroup == "quoted":
        return b"", _ESCAPED.sub(rb"\1", text) if b"\\" in text else text
    return text, None

"""FETCH answers turned into data (RFC 3501 §7.4.2). Every number and date of the server is checked."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from worker.imap.errors import ProtocolError
from worker.imap.framing import Answer
from worker.imap.quoting import LARGEST_NUMBER, MONTHS

#: What one FETCH item may hold: a string (None for NIL), or the flat content of a list.
Value = bytes | None | list[bytes | None]

#: Messages of one batch, at most: beyond it a batch gets no faster.
MOST_IN_BATCH = 50

#: Bytes of answers, literals aside, read between two looks at the rest of the world: 1 ms, of a hostile server 10.
READ_AT_ONCE = 16 << 10

#: Values and brackets of one answer, at most: reading them takes 10 ms, in which no other mailbox is served.
MOST_VALUES = 2_500

#: Response codes (RFC 5530) of a refusal that is about no single message: none is given now, and all are later.
NONE_NOW = frozenset({"THROTTLED", "OVERQUOTA", "LIMIT", "INUSE"})

#: Announced bytes of one batch, at most; a longer message comes alone.
BATCH_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a message before it is fetched. `size` in bytes, as the server announces it.

    `internaldate` is aware, in UTC, or None when the server gives none that can be read.
    """

    uid: int
    size: int
    internaldate: datetime | None
    flags: frozenset[str]


def batches(summaries: Iterable[Summary]) -> Iterator[list[Summary]]:
    """Cut *summaries* so that each batch is one quick command and fits in memory."""
    batch: list[Summary] = []
    held = 0
    for summary in summaries:
        if batch and (len(batch) >= MOST_IN_BATCH or held + summary.size > BATCH_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(summary)
        held += summary.size
    if batch:
        yield batch


async def items_by_uid(answers: Iterable[Answer]) -> dict[int, dict[bytes, Value]]:
    """The FETCH items that *answers* give, merged by UID. What names no UID is another client's doing: left out."""
    found: dict[int, dict[bytes, Value]] = {}
    read = 0
    for answer in answers:
        read += sum(map(len, answer[::2]))
        if read > READ_AT_ONCE:
            read = 0
            await asyncio.sleep(0)
        items = _items(answer)
        uid = items.get(b"UID")
        if isinstance(uid, bytes):
            found.setdefault(number(uid, "UID"), {}).update(items)
    return found


def summary(uid: int, items: dict[bytes, Value]) -> Summary:
    """ProtocolError without a size: taken for a message that is gone, the mail would be lost."""
    size, when, flags = items.get(b"RFC822.SIZE"), items.get(b"INTERNALDATE"), items.get(b"FLAGS")
    if not isinstance(size, bytes):
        raise ProtocolError(f"the server tells no RFC822.SIZE of UID {uid}")
    names = flags if isinstance(flags, list) else []
    return Summary(
        uid,
        _size(size),
        internaldate(when) if isinstance(when, bytes) else None,
        frozenset(name.decode("utf-8", "replace") for name in names if name),
    )


def _size(raw: bytes) -> int:
    """The announced size; 0, which is corrected as the message comes, for what is none: one mail must not stop all."""
    if not re.fullmatch(rb"-?[0-9]{1,19}", raw):
        return 0
    size = int(raw)
    if -(2**31) <= size < 0:
        size += 2**32  # counted with 32 bits: a mail of more than 2 GB
    return size if 0 <= size < 2**63 else 0


def body(items: dict[bytes, Value], name: bytes) -> bytes | None:
    """The bytes of the section *name*, whether they came as literal, quoted or NIL (no bytes); None if not told."""
    for key in (name, name + b"<0>"):
        if key in items:
            value = items[key]
            if isinstance(value, list):
                raise ProtocolError(f"the server gives a list for {name.decode()}")
            return value or b""
    return None


def number(raw: bytes, what: str) -> int:
    """A number of the server, or ProtocolError: a wrong one, once stored, would hide mail."""
    if not re.fullmatch(rb"[0-9]{1,19}", raw) or not 1 <= int(raw) <= LARGEST_NUMBER:
        raise ProtocolError(f"the server gives a wrong {what}; accepted are 1 to {LARGEST_NUMBER}")
    return int(raw)


_INTERNALDATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")


def internaldate(raw: bytes) -> datetime | None:
    """`17-Jul-1996 02:44:25 -0700` in UTC; None when it is no date (the caller has its own clock)."""
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


#: The items that are ever asked for; a server may tell others without end.
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


def _items(answer: Answer) -> dict[bytes, Value]:
    """The items of one FETCH answer; none when it is another kind of answer."""
    start = _FETCH.match(answer[0])
    if not start:
        return {}
    items: dict[bytes, Value] = {}
    name: bytes | None = None
    group: list[bytes | None] = []
    depth = 1
    for count, (bracket, value) in enumerate(_tokens(answer, start.end())):
        if count > MOST_VALUES:
            raise ProtocolError(f"the server's FETCH answer holds more than {MOST_VALUES:,} values")
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
    raise ProtocolError("the server's FETCH answer has no end")


def _tokens(answer: Answer, position: int) -> Iterator[tuple[bytes, bytes | None]]:
    """The brackets and the values of an answer, in order: (bracket, None) or (b"", value)."""
    for place, piece in enumerate(answer):
        if place % 2:
            yield b"", piece
            continue
        announced = _ANNOUNCED.search(piece, max(0, len(piece) - 24)) if place + 1 < len(answer) else None
        end = announced.start() if announced else len(piece.rstrip())
        while token := _TOKEN.match(piece, position, end):  # finditer would try a run of blanks from each of them
            position = token.end()
            yield _value(token)
        if piece[position:end].strip():
            raise ProtocolError("the server's FETCH answer cannot be read")
        position = 0


def _value(token: re.Match[bytes]) -> tuple[bytes, bytes | None]:
    text = token[token.lastindex or 0]
    if token.lastgroup == "atom":
        return b"", text if len(text) != 3 or text.upper() != b"NIL" else None
    if token.lastgroup == "quoted":
        return b"", _ESCAPED.sub(rb"\1", text) if b"\\" in text else text
    return text, None

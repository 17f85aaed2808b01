"""The answers to CAPABILITY, SELECT and SEARCH turned into data. Every number of the server is checked."""

import asyncio
import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from worker.imap.errors import ProtocolError, words
from worker.imap.framing import Answer
from worker.imap.quoting import LARGEST_NUMBER

#: UIDs read between two looks at the rest of the world: about 2 ms.
UIDS_AT_ONCE = 10_000

_VALIDITY = re.compile(rb"OK \[UIDVALIDITY (\d{1,19})\]", re.IGNORECASE)
_NEXT = re.compile(rb"OK \[UIDNEXT (\d{1,19})\]", re.IGNORECASE)
_ANY_KEYWORD = re.compile(rb"OK \[PERMANENTFLAGS \([^)]{0,65536}\\\*", re.IGNORECASE)
_SEARCH = re.compile(rb"SEARCH\b", re.IGNORECASE)
_NUMBERS = re.compile(rb"[ \d]*\Z")
_ITEM = re.compile(rb"\d{1,19}")


@dataclass(frozen=True, slots=True)
class Folder:
    """A selected folder. `uidnext` is None when the server gives none that makes sense."""

    uidvalidity: int
    uidnext: int | None
    exists: int
    keywords_allowed: bool


def folder_of(text: bytes, answers: Iterable[Answer], exists: int) -> Folder:
    """What SELECT told, *text* being that of its OK. ProtocolError without a UIDVALIDITY: UIDs mean nothing then."""
    validity = following = None
    keywords = False
    for answer in answers:
        line = answer[0]
        if match := _VALIDITY.match(line):
            validity = _number(match[1])
        elif match := _NEXT.match(line):
            following = _number(match[1])
        keywords = keywords or bool(_ANY_KEYWORD.match(line))
    if validity is None:
        raise ProtocolError(f"the server gives no UIDVALIDITY from 1 to {LARGEST_NUMBER}: its UIDs cannot be kept")
    return Folder(validity, following, exists, keywords and not text.upper().startswith(b"[READ-ONLY]"))


def _number(raw: bytes) -> int | None:
    return int(raw) if 1 <= int(raw) <= LARGEST_NUMBER else None


async def uids_of(answers: Iterable[Answer], first: int) -> list[int]:
    """The UIDs of SEARCH answers, ascending, each once; below *first* none.

    `n:*` means the last message too where all are below n (RFC 3501 §6.4.8). Pauses, since a million takes 0.3 s.
    """
    found: set[int] = set()
    for answer in answers:
        line = answer[0]
        start = _SEARCH.match(line)
        if not start:
            continue
        numbers = line[start.end() :].partition(b"(")[0]  # (MODSEQ n) of RFC 7162
        if not _NUMBERS.match(numbers):
            raise ProtocolError("the server's SEARCH answer holds what is no number")
        for place, item in enumerate(_ITEM.finditer(numbers), 1):
            uid = int(item[0])
            if not 1 <= uid <= LARGEST_NUMBER:
                raise ProtocolError(f"the server's SEARCH answer holds a UID outside 1 to {LARGEST_NUMBER}")
            if uid >= first:
                found.add(uid)
            if place % UIDS_AT_ONCE == 0:
                await asyncio.sleep(0)
    return sorted(found)


def capabilities_of(answers: Iterable[Answer]) -> Iterator[str]:
    """The names of CAPABILITY answers, upper case."""
    for answer in answers:
        names = answer[0].upper().split()
        if names[:1] == [b"CAPABILITY"]:
            yield from (name.decode("ascii", "replace") for name in names[1:])


def challenge_of(line: bytes, secrets: Iterable[str] = ()) -> str:
    """What a server asks in AUTHENTICATE, out of its Base64."""
    try:
        return words(base64.b64decode(line.strip(), validate=True), secrets)
    except binascii.Error:
        return words(line, secrets)

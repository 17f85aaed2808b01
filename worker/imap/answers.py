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

#: UIDs of one search, at most: what fits in its longest line, twice.
MOST_UIDS_TOLD = 2_000_000

_VALIDITY = re.compile(rb"OK \[UIDVALIDITY (\d{1,19})\]", re.IGNORECASE)
_NEXT = re.compile(rb"OK \[UIDNEXT (\d{1,19})\]", re.IGNORECASE)
_FLAGS = re.compile(rb"FLAGS \(([^)]{0,65536})\)", re.IGNORECASE)
_PERMANENT_FLAGS = re.compile(rb"OK \[PERMANENTFLAGS \(([^)]{0,65536})\)", re.IGNORECASE)
_SEARCH = re.compile(rb"SEARCH\b", re.IGNORECASE)
_NUMBERS = re.compile(rb"[ \d]*\Z")
_ITEM = re.compile(rb"\d{1,19}")
_ESEARCH = re.compile(rb"ESEARCH\b", re.IGNORECASE)
_SET = re.compile(rb"[\d:,]+\Z")
_RUN = re.compile(rb"(\d{1,19})(?::(\d{1,19}))?")


@dataclass(frozen=True, slots=True)
class Folder:
    """A selected folder. `uidnext` is None when the server gives none that makes sense.

    `flags`: those that stay when we set them, upper case; `\\*` among them says that any keyword does (RFC 3501 §7.1).
    """

    uidvalidity: int
    uidnext: int | None
    exists: int
    flags: frozenset[str] = frozenset()
    read_only: bool = False

    def keeps(self, flag: str) -> bool:
        """Whether *flag*, set by us, is still there the next time."""
        keyword = not flag.startswith("\\")
        return not self.read_only and (flag.upper() in self.flags or (keyword and self.keywords_allowed))

    @property
    def keywords_allowed(self) -> bool:
        """Whether every keyword stays that we set."""
        return "\\*" in self.flags and not self.read_only


def folder_of(text: bytes, answers: Iterable[Answer], exists: int) -> Folder:
    """What SELECT told, *text* being that of its OK. ProtocolError without a UIDVALIDITY: UIDs mean nothing then."""
    validity = following = None
    flags = permanent = None
    for answer in answers:
        line = answer[0]
        if match := _VALIDITY.match(line):
            validity = _number(match[1])
        elif match := _NEXT.match(line):
            following = _number(match[1])
        elif match := _FLAGS.match(line):
            flags = _names(match[1])
        elif match := _PERMANENT_FLAGS.match(line):
            permanent = _names(match[1])
    if validity is None:
        raise ProtocolError(f"the server gives no UIDVALIDITY from 1 to {LARGEST_NUMBER}: its UIDs cannot be kept")
    # Without PERMANENTFLAGS all that it lists stay (RFC 3501 §7.1).
    kept = permanent if permanent is not None else flags
    return Folder(validity, following, exists, kept or frozenset(), text.upper().startswith(b"[READ-ONLY]"))


def _names(raw: bytes) -> frozenset[str]:
    return frozenset(name.decode("utf-8", "replace").upper() for name in raw.split())


def _number(raw: bytes) -> int | None:
    return int(raw) if 1 <= int(raw) <= LARGEST_NUMBER else None


async def uids_of(answers: Iterable[Answer], first: int) -> list[int]:
    """The UIDs of SEARCH and ESEARCH answers, ascending, each once; below *first* none.

    `n:*` means the last message too where all are below n (RFC 3501 §6.4.8). Pauses, since a million takes 0.3 s.
    """
    found: set[int] = set()
    told = 0
    for answer in answers:
        line = answer[0]
        if begin := _SEARCH.match(line):
            runs = _listed(line[begin.end() :].partition(b"(")[0])  # (MODSEQ n) of RFC 7162
        elif _ESEARCH.match(line):
            runs = _all_of(line)
        else:
            continue
        read = 0
        for low, high in runs:
            if not 1 <= low <= high <= LARGEST_NUMBER:
                raise ProtocolError(f"the server's SEARCH answer holds a UID outside 1 to {LARGEST_NUMBER}")
            told += high - low + 1  # the same ones told again too: they take as long
            if told > MOST_UIDS_TOLD:
                raise ProtocolError(f"the server's SEARCH answer holds more than {MOST_UIDS_TOLD:,} UIDs")
            for start in range(low, high + 1, UIDS_AT_ONCE):
                end = min(start + UIDS_AT_ONCE, high + 1)
                found.update(range(max(start, first), end))
                read += end - start
                if read >= UIDS_AT_ONCE:
                    read = 0
                    await asyncio.sleep(0)
    return sorted(found)


def _listed(numbers: bytes) -> Iterator[tuple[int, int]]:
    """The numbers of a SEARCH answer, each as a run of one."""
    if not _NUMBERS.match(numbers):
        raise ProtocolError("the server's SEARCH answer holds what is no number")
    for item in _ITEM.finditer(numbers):
        yield int(item[0]), int(item[0])


def _all_of(line: bytes) -> Iterator[tuple[int, int]]:
    """The runs of an ESEARCH answer (RFC 4731 §3.1), which IMAP4rev2 sends unasked: `(TAG "A1") UID ALL 1:3,7`."""
    names = line.split()
    place = next((place for place, name in enumerate(names) if name.upper() == b"ALL"), None)
    if place is None:
        return
    if b"UID" not in (name.upper() for name in names[:place]) or not _SET.match(b"".join(names[place + 1 : place + 2])):
        raise ProtocolError("the server's ESEARCH answer holds what is no set of UIDs")
    for run in _RUN.finditer(names[place + 1]):
        ends = int(run[1]), int(run[2] or run[1])
        yield min(ends), max(ends)


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

"""Parses the responses to CAPABILITY, SELECT and SEARCH. Every number of the server is checked."""

import asyncio
import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from worker.imap.errors import ProtocolError, printable_text
from worker.imap.framing import ServerResponse
from worker.imap.quoting import MAX_NUMBER

#: UIDs that are parsed at once on the event loop: about 2 ms.
UIDS_AT_ONCE = 10_000

#: The most UIDs of one search: twice what fits in its longest line.
MAX_UIDS = 2_000_000

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
    """A selected folder. `uidnext` is None when the server gives none that is valid.

    `permanent_flags`, in upper case, stay when we set them; `\\*` means that any keyword does (RFC 3501 §7.1).
    """

    uidvalidity: int
    uidnext: int | None
    exists: int
    permanent_flags: frozenset[str] = frozenset()
    is_read_only: bool = False

    def has_permanent_flag(self, flag: str) -> bool:
        """Return whether *flag*, set by us, is still there in the next session."""
        keyword = not flag.startswith("\\")
        return not self.is_read_only and (flag.upper() in self.permanent_flags or (keyword and self.has_any_keyword))

    @property
    def has_any_keyword(self) -> bool:
        """Whether any keyword that we set stays."""
        return "\\*" in self.permanent_flags and not self.is_read_only


def parse_select(text: bytes, responses: Iterable[ServerResponse], exists: int) -> Folder:
    """Return the folder of a SELECT; *text* is that of its OK. ProtocolError without UIDVALIDITY: UIDs need it."""
    validity = uidnext = None
    flags = permanent = None
    for response in responses:
        line = response[0]
        if match := _VALIDITY.match(line):
            validity = _number(match[1])
        elif match := _NEXT.match(line):
            uidnext = _number(match[1])
        elif match := _FLAGS.match(line):
            flags = _names(match[1])
        elif match := _PERMANENT_FLAGS.match(line):
            permanent = _names(match[1])
    if validity is None:
        raise ProtocolError(f"the server gives no UIDVALIDITY from 1 to {MAX_NUMBER}: its UIDs cannot be kept")
    # Without PERMANENTFLAGS all listed flags stay (RFC 3501 §7.1).
    kept = permanent if permanent is not None else flags
    return Folder(validity, uidnext, exists, kept or frozenset(), text.upper().startswith(b"[READ-ONLY]"))


def _names(raw: bytes) -> frozenset[str]:
    return frozenset(name.decode("utf-8", "replace").upper() for name in raw.split())


def _number(raw: bytes) -> int | None:
    return int(raw) if 1 <= int(raw) <= MAX_NUMBER else None


async def parse_search(responses: Iterable[ServerResponse], first: int) -> list[int]:
    """Return the UIDs of SEARCH and ESEARCH responses from *first* on, ascending, each once.

    `n:*` matches the last message even where all are below n (RFC 3501 §6.4.8). Pauses, since a million takes 0.3 s.
    """
    found: set[int] = set()
    count = 0
    for response in responses:
        line = response[0]
        if begin := _SEARCH.match(line):
            runs = _listed(line[begin.end() :].partition(b"(")[0])  # (MODSEQ n) of RFC 7162
        elif _ESEARCH.match(line):
            runs = _all_of(line)
        else:
            continue
        read = 0
        for low, high in runs:
            if not 1 <= low <= high <= MAX_NUMBER:
                raise ProtocolError(f"the server's SEARCH response holds a UID outside 1 to {MAX_NUMBER}")
            count += high - low + 1  # repeated ones too: they take as long
            if count > MAX_UIDS:
                raise ProtocolError(f"the server's SEARCH response holds more than {MAX_UIDS:,} UIDs")
            for start in range(low, high + 1, UIDS_AT_ONCE):
                end = min(start + UIDS_AT_ONCE, high + 1)
                found.update(range(max(start, first), end))
                read += end - start
                if read >= UIDS_AT_ONCE:
                    read = 0
                    await asyncio.sleep(0)
    return sorted(found)


def _listed(numbers: bytes) -> Iterator[tuple[int, int]]:
    """Yield the numbers of a SEARCH response, each as a run of one."""
    if not _NUMBERS.match(numbers):
        raise ProtocolError("the server's SEARCH response holds what is no number")
    for item in _ITEM.finditer(numbers):
        yield int(item[0]), int(item[0])


def _all_of(line: bytes) -> Iterator[tuple[int, int]]:
    """Yield the runs of an ESEARCH response (RFC 4731 §3.1), as in IMAP4rev2: `(TAG "A1") UID ALL 1:3,7`."""
    names = line.split()
    place = next((place for place, name in enumerate(names) if name.upper() == b"ALL"), None)
    if place is None:
        return
    if b"UID" not in (name.upper() for name in names[:place]) or not _SET.match(b"".join(names[place + 1 : place + 2])):
        raise ProtocolError("the server's ESEARCH response holds what is no set of UIDs")
    for run in _RUN.finditer(names[place + 1]):
        ends = int(run[1]), int(run[2] or run[1])
        yield min(ends), max(ends)


def parse_capabilities(responses: Iterable[ServerResponse]) -> Iterator[str]:
    """Yield the names of CAPABILITY responses in upper case."""
    for response in responses:
        names = response[0].upper().split()
        if names[:1] == [b"CAPABILITY"]:
            yield from (name.decode("ascii", "replace") for name in names[1:])


def decode_challenge(line: bytes, secrets: Iterable[str] = ()) -> str:
    """Return the text of a server's challenge in AUTHENTICATE, decoded from Base64."""
    try:
        return printable_text(base64.b64decode(line.strip(), validate=True), secrets)
    except binascii.Error:
        return printable_text(line, secrets)

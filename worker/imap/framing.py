"""Cuts what a server sends into answers, one loop, bounded in every direction. Pure: bytes in, answers out.

An answer is one response of RFC 3501 §7: a line, and for every literal that a line announces the literal and the line
that goes on after it. So the end of a FETCH is known from the framing alone, whatever brackets its strings hold.
"""

import re
from collections.abc import Iterator

from worker.imap.errors import ProtocolError, TooLargeError

#: One answer: lines at the even places, literals at the odd ones.
Answer = tuple[bytes, ...]

#: The longest line outside a search, in bytes.
LONGEST_LINE = 64 << 10

#: What a piece costs beside its bytes: the memory of its objects, so that many small ones are bounded too.
PIECE_COST = 64

#: What a server may send that nobody asked for, between two commands, in bytes.
UNASKED = 1 << 20

_LITERAL = re.compile(rb"\{(\d{1,20})\}\Z")

#: Lines whose end is free text, which may look like a literal.
_TEXT = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)


class Framer:
    """Holds the unfinished answer. `allow` says what the next command is ready to take."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._pieces: list[bytes] = []
        self._chunks: list[bytes] = []
        self._missing = 0
        self.allow()

    def allow(self, *, total: int = UNASKED, literal: int = 0, line: int = LONGEST_LINE) -> None:
        """Take up to *total* bytes from here on, in literals of up to *literal* and lines of up to *line* bytes."""
        self._total, self._literal, self._line = total, literal, line

    @property
    def holds_some(self) -> bool:
        """Whether an answer has begun that is not yet whole."""
        return bool(self._buffer or self._pieces)

    def feed(self, data: bytes) -> Iterator[Answer]:
        """The answers that *data* completes. Lazy: `allow` may be called between two of them."""
        if self._missing:  # the buffer is empty then: spare large literals the way through it
            part, data = data[: self._missing], data[self._missing :]
            self._fill(part)
        self._buffer += data
        start = 0
        while True:
            if self._missing:
                part = bytes(self._buffer[start : start + self._missing])
                start += len(part)
                self._fill(part)
            end = -1 if self._missing else self._buffer.find(b"\r\n", max(start, self._scanned))
            if end < 0:
                break
            line = bytes(self._buffer[start:end])
            start = self._scanned = end + 2
            if self._goes_on(line):
                continue
            answer, self._pieces = tuple(self._pieces), []
            yield answer
        del self._buffer[:start]
        self._scanned = max(0, len(self._buffer) - 1)
        if len(self._buffer) > self._line:
            raise ProtocolError(f"the server sent a line of more than {self._line:,} bytes")

    def _goes_on(self, line: bytes) -> bool:
        """Keep *line*; True when it announces a literal, so that the answer is not whole."""
        if len(line) > self._line:
            raise ProtocolError(f"the server sent a line of more than {self._line:,} bytes")
        self._spend(len(line))
        self._pieces.append(line)
        announced = _LITERAL.search(line, max(0, len(line) - 24))
        if not announced or (len(self._pieces) == 1 and (not line.startswith(b"* ") or _TEXT.match(line))):
            return False
        self._begin(int(announced[1]))
        return True

    def _begin(self, size: int) -> None:
        if size > self._literal:
            uid = re.search(rb"\bUID (\d{1,10})\b", b" ".join(self._pieces[::2]))
            raise TooLargeError(
                f"the server announced a literal of {size:,} bytes, accepted are {self._literal:,}",
                (int(uid[1]),) if uid else (),
            )
        self._spend(size)
        self._missing = size
        if not size:
            self._pieces.append(b"")

    def _fill(self, part: bytes) -> None:
        self._chunks.append(part)
        self._missing -= len(part)
        if not self._missing:
            self._pieces.append(b"".join(self._chunks))
            self._chunks = []

    def _spend(self, size: int) -> None:
        self._total -= size + PIECE_COST
        if self._total < 0:
            raise ProtocolError("the server sent far more than was asked for")

"""Splits the bytes of a server into responses, in one loop with limits. Pure: bytes in, responses out.

A response (RFC 3501 §7) is a line and, for each literal that a line announces, the literal and the rest of the line
after it. So the end of a FETCH is known from the framing alone, whatever brackets its strings hold.
"""

import re
from collections.abc import Iterator

from worker.imap.errors import LiteralTooLargeError, ProtocolError

#: One response: lines at even positions, literals at odd ones.
ServerResponse = tuple[bytes, ...]

#: The longest line outside a search, in bytes.
MAX_LINE_BYTES = 64 << 10

#: What a piece counts besides its bytes, for the memory of its objects: so many small pieces are limited too.
PIECE_COST = 64

#: The most unsolicited bytes between two commands.
MAX_UNSOLICITED_BYTES = 1 << 20

_LITERAL = re.compile(rb"\{(\d{1,20})\}\Z")

#: Lines that end with free text, which may look like a literal.
_TEXT = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)


class Framer:
    """Holds the incomplete response. `set_limits` sets the limits for the next command."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._pieces: list[bytes] = []
        self._chunks: list[bytes] = []
        self._missing = 0
        self.set_limits()

    def set_limits(self, *, total: int = MAX_UNSOLICITED_BYTES, literal: int = 0, line: int = MAX_LINE_BYTES) -> None:
        """Take up to *total* bytes from here on, in literals of up to *literal* and lines of up to *line* bytes."""
        self._total, self._literal, self._line = total, literal, line

    @property
    def has_partial(self) -> bool:
        """Whether a response has begun that is not complete."""
        return bool(self._buffer or self._pieces)

    def feed(self, data: bytes) -> Iterator[ServerResponse]:
        """Yield the responses that *data* completes. Lazy: `set_limits` may be called between two of them."""
        if self._missing:  # the buffer is empty then: large literals need not go through it
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
            if self._continues(line):
                continue
            answer, self._pieces = tuple(self._pieces), []
            yield answer
        del self._buffer[:start]
        self._scanned = max(0, len(self._buffer) - 1)
        if len(self._buffer) > self._line:
            raise ProtocolError(f"the server sent a line of more than {self._line:,} bytes")

    def _continues(self, line: bytes) -> bool:
        """Keep *line*. Returns True when it announces a literal, so that the response is not complete."""
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
            raise LiteralTooLargeError(
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

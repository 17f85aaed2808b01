"""Says of every line whether it is new, quoted or forwarded.

Own code: mail-parser-reply took 18 s on "On " and 20,000 blanks. Here every line is looked at a bounded number of
times, by its first 200 characters.
"""

from worker.reading.text.quotes.forwards import Forwarded, forwarded_by_attribution, forwarded_by_headers
from worker.reading.text.quotes.marks import (
    BAR,
    FIRST,
    ORIGINAL_MARK,
    header_of,
    is_attribution,
    is_forward_line,
    is_forward_mark,
    is_forward_subject,
    is_long_mark,
    may_begin_attribution,
)

#: Characters of a line that are examined.
LINE = 200
#: Lines over which an attribution ("On … wrote:") may be wrapped, and a block of headers may reach.
WRAPPED = 5
BLOCK = 12
#: Different headers of a whole block, and lines over which a list of recipients may be wrapped.
ENOUGH = 3
MAX_WRAPPED = 3

#: Headers with which a block without a mark above begins.
_FIRST_HEADERS = frozenset({"from", "date", "subject"})
_COLONS = (":", "：")
_ENDS = (*_COLONS, "--")


def _is_of_a_mail(headers: dict[str, str]) -> bool:
    """Say whether headers without a mark above are those of a mail, and no lines of a form."""
    has_address = "@" in headers.get("from", "")
    if next(iter(headers)) != "from":  # some programs write the date first
        return has_address and "subject" in headers
    return has_address or "subject" in headers


def _has_colon(line: str) -> bool:
    return ":" in line or "：" in line


class LineClassifier:
    """Walks the lines once; remembers whether the text after the last mark is quoted or forwarded.

    The kind of a line is that of its region; "quoted heading" and "forwarded heading" are headings of the next lines.
    """

    def __init__(self, lines: list[str], subject: str) -> None:
        self._lines = lines
        self._heads = [line if len(line) <= LINE else line[:LINE] for line in lines]
        #: Lines at which an attribution may begin: a colon ends it here or a few lines below.
        self._starts = {
            start
            for at, line in enumerate(self._heads)
            if line.endswith(_ENDS)
            for start in range(at - WRAPPED + 1, at + 1)
        }
        self._kinds: list[str] = []
        self._kind = "new"
        self._subject = subject
        self._has_mark = False
        self._forward_subject = is_forward_subject(subject)
        #: Whether the forwarded text has ">" before its lines.
        self._is_prefixed = False
        self.forwarded: Forwarded | None = None

    def kinds(self) -> list[str]:
        kinds, heads = self._kinds, self._heads
        while (at := len(kinds)) < len(heads):
            line = heads[at]
            if line and (line[0] in FIRST or at in self._starts or (_has_colon(line) and header_of(line)[0])):
                kinds += self._step(at, line)
            else:
                kinds.append(self._kind_of(at, line))
        return kinds

    def _kind_of(self, at: int, line: str) -> str:
        """Return the kind of a line without ">" and without a mark."""
        is_below = self._kind == "forwarded" and self._is_prefixed and bool(line)
        if is_below and not self._heads[at - 1][1:].strip():
            self._kind = "new"  # below a forwarded mail whose lines have ">"; a wrapped line is no end of it
        return self._kind

    def _step(self, at: int, line: str) -> list[str]:
        """Return the kinds of the next line or lines."""
        if line[0] in FIRST and (found := self._mark(at, line)):
            return found
        if line.endswith(_COLONS) and is_forward_line(line) and (block := self._block_below(at)):
            return self._forward(at, block)
        if block := self._header_block(at, ENOUGH):
            return self._headings(at, block)
        if at in self._starts and (wrapped := self._attribution(at)):
            return self._attributed(at, wrapped)
        if line[0] != ">":
            return [self._kind_of(at, line)]
        if self._is_prefixed and not line.startswith(">>"):
            self._kind = "forwarded"
            return ["forwarded"]
        return ["quoted"]

    def _mark(self, at: int, line: str) -> list[str]:
        """Return the kinds of a line "--- Forwarded message ---" or "--- Original Message ---", and of its headers."""
        if line.lstrip(" >")[:1] not in FIRST:
            return []
        if is_forward_mark(line):
            block = self._block_below(at, least=1)
            return self._forward(at, block) if block or is_long_mark(line) else []
        if ORIGINAL_MARK.match(line):
            return self._headings(at, 1 + self._block_below(at, least=2))
        return []

    def _forward(self, at: int, block: int) -> list[str]:
        self._has_mark = True
        return self._headings(at, 1 + block)

    def _headings(self, at: int, count: int) -> list[str]:
        """Return the kinds of the headings of a quoted or forwarded mail, from a mark to the last header."""
        is_forwarded = self._is_forward() or self._is_alone(at)
        if not is_forwarded and self._heads[at][:1] == ">":
            return ["quoted heading"] * count
        self._kind = "forwarded" if is_forwarded else "quoted"
        if is_forwarded:
            self._is_prefixed = self._heads[at + count - 1][:1] == ">" or self._next_begins(at + count, ">")
            if self.forwarded is None:
                self.forwarded = forwarded_by_headers(self._lines[at : at + count], self._subject)
        heading = f"{self._kind} heading"
        for before in range(at - 1, max(at - 3, -1), -1):
            if BAR.match(self._heads[before]):
                self._kinds[before:] = [heading] * (at - before)
                break
        return [heading] * count

    def _attributed(self, at: int, wrapped: int) -> list[str]:
        is_prefixed = self._heads[at][:1] == ">" or self._next_begins(at + wrapped, ">")
        is_first = not self._has_mark and self._kind == "new"
        if is_first and (self._forward_subject or (not is_prefixed and self._is_alone(at))):
            self._has_mark = True
            self._kind = "forwarded"
            self._is_prefixed = is_prefixed
            joined = " ".join(line.strip(" >") for line in self._heads[at : at + wrapped])
            self.forwarded = self.forwarded or forwarded_by_attribution(joined, self._subject)
            return ["forwarded heading"] * wrapped
        # With "> …" people write below the quoted text; without it, everything below is quoted.
        if not is_prefixed:
            self._kind = "quoted"
        return ["quoted heading"] * wrapped

    def _next_begins(self, at: int, mark: str) -> bool:
        """Say whether the next line that is not empty, of three, begins with the mark."""
        return next((line for line in self._heads[at : at + 3] if line.strip()), "").startswith(mark)

    def _is_forward(self) -> bool:
        return self._has_mark or self._forward_subject

    def _is_alone(self, at: int) -> bool:
        """Say whether nothing is above: then the text below is why the mail was sent."""
        return at <= BLOCK and not any(line.strip(" >-_=*") for line in self._heads[:at])

    def _block_below(self, at: int, least: int = ENOUGH) -> int:
        """Count the lines after a mark up to the last header of the block below it; 0 without a block."""
        for skipped in range(1, 4):
            if at + skipped < len(self._heads) and self._heads[at + skipped].strip(" >"):
                block = self._header_block(at + skipped, least, below_mark=True)
                return skipped - 1 + block if block else 0
        return 0

    def _header_block(self, at: int, least: int, *, below_mark: bool = False) -> int:
        """Count the lines of a block From/Sent/To/Subject with *least* different headers that begins here."""
        kind, value = header_of(self._heads[at])
        if not kind or not (below_mark or kind in _FIRST_HEADERS):
            return 0
        found = {kind: value}
        length, between, gap = 1, 0, False
        for offset in range(1, BLOCK):
            line = self._heads[at + offset] if at + offset < len(self._heads) else ""
            following, value = header_of(line)
            if following and not (gap and len(found) >= ENOUGH):  # below a whole block, it is a line of the text
                kind, length, between, gap = following, offset + 1, 0, False
                found.setdefault(kind, value)
            elif not line.strip(" >"):
                if gap:
                    break
                gap = True
            else:
                between += 1
                if gap or between > (MAX_WRAPPED if kind in {"to", "cc"} else 1):
                    break
        if len(found) < least or not (below_mark or _is_of_a_mail(found)):
            return 0
        return length

    def _attribution(self, at: int) -> int:
        """Count the lines of an attribution ("On … wrote:") that begins here; 0 without one."""
        line = self._heads[at].strip(" >")
        if is_attribution(line):
            return 1
        if line.endswith(_COLONS) or not may_begin_attribution(line):
            return 0
        joined = line
        for offset in range(1, WRAPPED):
            below = self._heads[at + offset].strip(" >") if at + offset < len(self._heads) else ""
            if not below:
                continue
            joined += " " + below
            if joined.endswith(_COLONS):
                return offset + 1 if is_attribution(joined) else 0
            if below[-1] in ".!?" and len(below) > 20:
                return 0
        return 0

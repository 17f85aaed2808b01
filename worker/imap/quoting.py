"""How names, numbers and dates are written on an IMAP line (RFC 3501 §4.3, §5.1.3, §9)."""

import base64
import re
from collections.abc import Iterator, Sequence
from datetime import date

#: The largest UID, UIDVALIDITY or message number: 32 bits.
LARGEST_NUMBER = 2**32 - 1

#: UIDs of one command, at most: servers refuse long lines (8,000 octets by RFC 2683 §3.2.1.5, some less).
MOST_UIDS = 300

#: Octets of one UID set, at most.
LONGEST_SET = 1000

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_QUOTABLE = re.compile(r"[\x20-\x7e]*\Z")
_OUTSIDE_ASCII = re.compile(r"[^\x20-\x7e]+")


def quoted(text: str) -> str | None:
    r"""*text* as a quoted string, `"` and `\` escaped; None where only a literal can carry it."""
    if not _QUOTABLE.match(text):
        return None
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def strings(*texts: str) -> tuple[str, list[bytes]]:
    """Write *texts* as the arguments of a command: the end of its first line, then what follows each `+` of the server.

    A text beyond printable ASCII goes as a literal, in UTF-8. ValueError for NUL, which no string can carry.
    """
    parts = [b""]
    for text in texts:
        if "\0" in text:
            raise ValueError("a NUL character cannot be sent to an IMAP server")
        space = b" " if parts[-1] else b""
        short = quoted(text)
        if short is not None:
            parts[-1] += space + short.encode("ascii")
        else:
            octets = text.encode("utf-8")
            parts[-1] += space + b"{%d}" % len(octets)
            parts.append(octets)
    return parts[0].decode("ascii"), parts[1:]


def folder_name(name: str) -> str:
    """A folder's name as a person writes it, in modified UTF-7 and quoted (RFC 3501 §5.1.3)."""
    encoded = _OUTSIDE_ASCII.sub(lambda m: _shifted(m.group()), name.replace("&", "&-"))
    return '"' + encoded.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shifted(text: str) -> str:
    octets = text.encode("utf-16-be", "surrogatepass")
    return "&" + base64.b64encode(octets, altchars=b"+,").rstrip(b"=").decode("ascii") + "-"


def uid_sets(uids: Sequence[int]) -> Iterator[tuple[list[int], str]]:
    """Cut ascending *uids* into short commands: the UIDs of each, and their set (`7,9:12`)."""
    chunk: list[int] = []
    text = ""
    for first, end in _runs(uids):
        run = f"{first}:{end}" if end > first else f"{first}"
        if chunk and (len(chunk) + end - first >= MOST_UIDS or len(text) + len(run) >= LONGEST_SET):
            yield chunk, text
            chunk, text = [], ""
        chunk.extend(range(first, end + 1))
        text = f"{text},{run}" if text else run
    if chunk:
        yield chunk, text


def _runs(uids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbours together, no run longer than a command may be."""
    first = end = 0
    for uid in uids:
        if not 1 <= uid <= LARGEST_NUMBER:
            raise ValueError(f"{uid} is not a UID; accepted are 1 to {LARGEST_NUMBER}")
        if first and uid == end + 1 and uid - first < MOST_UIDS:
            end = uid
            continue
        if first:
            yield first, end
        first = end = uid
    if first:
        yield first, end


def search_date(day: date) -> str:
    """A date of SEARCH: `22-Nov-2026`, the month in English whatever the locale, and not quoted."""
    return f"{day.day}-{MONTHS[day.month - 1]}-{day.year:04d}"

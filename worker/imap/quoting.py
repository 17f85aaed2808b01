"""Encodes strings, folder names, UID sets and dates for IMAP commands (RFC 3501 §4.3, §5.1.3, §9). Pure."""

import base64
import re
from collections.abc import Iterator, Sequence
from datetime import date

#: The largest UID, UIDVALIDITY or message number: 32 bits.
MAX_NUMBER = 2**32 - 1

#: The most UIDs of one command: servers refuse long lines (8,000 octets by RFC 2683 §3.2.1.5, some less).
MAX_UIDS_PER_COMMAND = 300

#: The most octets of one UID set.
LONGEST_SET = 1000

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_QUOTABLE = re.compile(r"[\x20-\x7e]*\Z")
_OUTSIDE_ASCII = re.compile(r"[^\x20-\x7e]+")


def quote(text: str) -> str | None:
    r"""Return *text* as a quoted string, with `"` and `\` escaped, or None where only a literal can hold it."""
    if not _QUOTABLE.match(text):
        return None
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encode_strings(*texts: str) -> tuple[str, list[bytes]]:
    """Encode *texts* as arguments of a command: the end of its first line, then what follows each `+` of the server.

    A text beyond printable ASCII becomes a literal in UTF-8. ValueError for NUL, which no string can hold.
    """
    parts = [b""]
    for text in texts:
        if "\0" in text:
            raise ValueError("a NUL character cannot be sent to an IMAP server")
        space = b" " if parts[-1] else b""
        short = quote(text)
        if short is not None:
            parts[-1] += space + short.encode("ascii")
        else:
            octets = text.encode("utf-8")
            parts[-1] += space + b"{%d}" % len(octets)
            parts.append(octets)
    return parts[0].decode("ascii"), parts[1:]


def encode_folder_name(name: str) -> str:
    """Encode a folder's name, as a person writes it, in modified UTF-7 and quoted (RFC 3501 §5.1.3)."""
    encoded = _OUTSIDE_ASCII.sub(lambda m: _encode_utf7(m.group()), name.replace("&", "&-"))
    return '"' + encoded.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _encode_utf7(text: str) -> str:
    octets = text.encode("utf-16-be", "surrogatepass")
    return "&" + base64.b64encode(octets, altchars=b"+,").rstrip(b"=").decode("ascii") + "-"


def split_uid_sets(uids: Sequence[int]) -> Iterator[tuple[list[int], str]]:
    """Split ascending *uids* into short commands: yield the UIDs of each, and their set (`7,9:12`)."""
    chunk: list[int] = []
    text = ""
    for first, end in _runs(uids):
        run = f"{first}:{end}" if end > first else f"{first}"
        if chunk and (len(chunk) + end - first >= MAX_UIDS_PER_COMMAND or len(text) + len(run) >= LONGEST_SET):
            yield chunk, text
            chunk, text = [], ""
        chunk.extend(range(first, end + 1))
        text = f"{text},{run}" if text else run
    if chunk:
        yield chunk, text


def _runs(uids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of consecutive UIDs, none longer than one command may be."""
    first = end = 0
    for uid in uids:
        if not 1 <= uid <= MAX_NUMBER:
            raise ValueError(f"{uid} is not a UID; accepted are 1 to {MAX_NUMBER}")
        if first and uid == end + 1 and uid - first < MAX_UIDS_PER_COMMAND:
            end = uid
            continue
        if first:
            yield first, end
        first = end = uid
    if first:
        yield first, end


def format_search_date(day: date) -> str:
    """Return *day* for SEARCH: `22-Nov-2026`, the month always in English, without quotes."""
    return f"{day.day}-{MONTHS[day.month - 1]}-{day.year:04d}"

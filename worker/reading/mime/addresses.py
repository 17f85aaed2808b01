"""Reads mail addresses in headers (RFC 5322 §3.4), in one pass without recursion, also from a broken list."""

import re
from collections.abc import Iterator

from worker.reading.mime import charset
from worker.reading.mime.headers import MAX_VALUE, Headers, decode_encoded_words, one_line

#: Characters of an address and of a display name.
MAX_ADDRESS = 320
MAX_DISPLAY = 200

_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,128}@[^\s<>(),;:\"@]{1,255}")
#: Quotes, in which a sender may write any address; and an address that has quotes, when "_" masks what is in them.
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*+\"?", re.DOTALL)
_QUOTED_ADDRESS = re.compile(r"\"_*+\"\s{0,9}@\s{0,9}[^\s<>(),;:\"@]{1,255}")
_COMMENT = re.compile(r"\([^()]{0,200}\)")
_SEPARATOR = re.compile(r"[\"\\(),;:]")
_MARK = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|\\.|[(),;:<>]|[^\"\\(),;:<>]+", re.DOTALL)


def parse_addresses(value: bytes | None, limit: int, declared: str | None = None) -> list[tuple[str, str]]:
    """Return (display name, address in lower case) of each mailbox, at most `limit`; groups are flattened.

    *declared* is the charset of bytes that are not ASCII.
    """
    if not value:
        return []
    text = charset.decode_header(value[:MAX_VALUE], declared)
    found: list[tuple[str, str]] = []
    for piece, comment in _pieces(text):
        if len(found) >= limit:
            break
        if (mailbox := _mailbox(piece, comment)) is not None:
            found.append(mailbox)
    return found


def has_one_sender(headers: Headers) -> bool:
    """Return whether there is one From field with one address, written so that every program finds the same one.

    Mail servers decide by their own reading of it whether the mail is forged.
    """
    fields = [bytes(value) for name, value in headers.fields if name == "from"]
    found = parse_addresses(fields[0], 2) if len(fields) == 1 else []
    if len(found) != 1 or "@" not in found[0][1]:
        return False
    written, address = b"".join(fields[0][:MAX_VALUE].lower().split()), found[0][1].encode("utf-8", "replace")
    return written.endswith(b"<%s>" % address) if b"<" in written else address in written


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield (mailbox, its comment) of each member; quotes, comments and angle brackets protect the separators."""
    if not _SEPARATOR.search(text):  # one mailbox, as in most headers
        yield text, ""
        return
    piece: list[str] = []
    comment: list[str] = []
    depth, in_angle = 0, False
    for found in _MARK.finditer(text):
        mark = found[0]
        if mark == "(" and not in_angle:
            depth += 1
        elif mark == ")" and depth:
            depth -= 1
        elif depth:
            comment.append(mark)
        elif mark in {",", ";"} and not in_angle:
            yield "".join(piece), "".join(comment)
            piece, comment = [], []
        elif mark == ":" and not in_angle:
            # The name of a group ("undisclosed-recipients:") is no address. A wrong "mailto:" is removed too.
            piece = []
        else:
            in_angle = (in_angle or mark == "<") and mark != ">"
            piece.append(mark)
    yield "".join(piece), "".join(comment)


def _mailbox(piece: str, comment: str) -> tuple[str, str] | None:
    masked = _QUOTED.sub(_mask, piece) if '"' in piece else piece
    at = masked.rfind("<")
    if at >= 0:
        display = piece[:at]
        end = masked.find(">", at)
        address = piece[at + 1 : end if end >= 0 else None]
        if "(" in address:
            address = _COMMENT.sub("", address)
        address = "".join(address.split()).lower()[:MAX_ADDRESS]
        name = _display(display) or _display(comment)
        if not address and not name:
            return None
        if "@" not in address and (inside := _ADDRESS.search(decode_encoded_words(display))):
            address = inside[0].lower()
        return name, one_line(address)
    if found := _QUOTED_ADDRESS.search(masked) or _ADDRESS.search(masked):
        address = "".join(piece[found.start() : found.end()].split()).lower()[:MAX_ADDRESS]
        return _display(piece[: found.start()]) or _display(comment), one_line(address)
    words = decode_encoded_words(piece)
    if found := _ADDRESS.search(words):
        before = words[: found.start()].rstrip("< ")
        return _display(before) or _display(comment), one_line(found[0].lower())
    bare = piece.strip().strip('"')
    if not bare:
        return None
    if " " not in bare and "=?" not in bare:  # a local name such as "root"
        return _display(comment), one_line(bare).lower()[:MAX_ADDRESS]
    return _display(piece), ""


def _mask(quoted: re.Match[str]) -> str:
    """Return as many characters, which look like no address; quotes without an end stay as they are."""
    has_end = len(quoted[0]) > 1 and quoted[0][-1] == '"'
    return f'"{"_" * (len(quoted[0]) - 2)}"' if has_end else quoted[0]


def _display(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == '"' == text[-1]:
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return one_line(decode_encoded_words(text)).strip("\"' ")[:MAX_DISPLAY]

"""Reads contact cards (vCard, RFC 6350 and its older forms) as lines of name and value."""

import quopri
import re
from collections.abc import Iterator

from worker.reading.limits import ReadingLimits
from worker.reading.mime import charset

#: Bytes and lines of a card that are read.
MAX_BYTES, MAX_LINES = 64 * 1024, 2_000

#: The properties that people read → what they are called.
_NAMES = {
    "FN": "Name", "ORG": "Company", "TITLE": "Title", "ROLE": "Role", "TEL": "Phone", "EMAIL": "E-mail", "URL": "Web",
    "ADR": "Address", "BDAY": "Birthday", "NOTE": "Note",
}  # fmt: skip
_LINE = re.compile(r"(?:[A-Za-z0-9-]{1,40}\.)?([A-Za-z-]{1,40})((?:;[^:;\"]{0,200}(?:\"[^\"]{0,200}\")?){0,20}):(.*)")
_ESCAPED = re.compile(r"\\([\\,;nN])")


def card_text(content: bytes, _limits: ReadingLimits) -> Iterator[str]:
    """Yield a line for each property that people read: its name, a tab, its value."""
    for line in _unfolded(charset.decode(content[:MAX_BYTES], None)[0]):
        if line.upper().startswith("END:VCARD"):
            yield "\n"
        found = _LINE.match(line)
        if found and (name := _NAMES.get(found[1].upper())):
            value = found[3]
            if "QUOTED-PRINTABLE" in found[2].upper():
                value = charset.decode(quopri.decodestring(value.encode("utf-8", "replace")), None)[0]
            yield f"{name}\t{_plain(value, found[1].upper())}\n"


def _unfolded(text: str) -> Iterator[str]:
    """Yield the content lines; those of vCard 2.1 also continue after a "=" of quoted-printable."""
    pending = ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:MAX_LINES]:
        if line[:1] in (" ", "\t") and pending:
            pending += line[1:]
        elif pending.endswith("=") and "QUOTED-PRINTABLE" in pending[:300].upper():
            pending = pending[:-1] + line
        else:
            yield pending
            pending = line
    yield pending


def _plain(value: str, name: str) -> str:
    if name in ("ADR", "ORG"):
        value = ", ".join(filter(None, (piece.strip() for piece in re.split(r"(?<!\\);", value))))
    return " ".join(_ESCAPED.sub(lambda found: " " if found[1] in "nN" else found[1], value).split())

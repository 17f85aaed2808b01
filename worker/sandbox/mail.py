"""What a child does with a mail: `worker.reading` behind the pipe's shapes."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any

from worker.reading import Reading, read
from worker.reading.rules import GENERAL, FieldRule
from worker.sandbox.frames import Read

#: What `worker.reading` imports only where a mail needs it: 0.4 s that no mail should wait for, for 30 MB a child.
_LATE = ("charset_normalizer", "dateparser", "docx", "openpyxl", "phonenumbers", "pypdf", "tnefparse")

#: Read once before the first mail, so that the data of those libraries is there as well.
_REHEARSAL = (
    b"From: a@example.com\r\nSubject: Policy AB-12345\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<p>Effective date: 3 March 2025<br>Due date: 3 mars 2025<br>Date of loss: 3 sierpnia 2025<br>"
    b"Amount: 1,250.00 USD<br>Phone: +1 212 555 0100</p>"
)


_NAMES = tuple(field.name for field in fields(Reading))


def prepare(rules: Mapping[str, Sequence[Mapping[str, Any]]]) -> Read:
    """The function that reads with *rules*: mailbox → encoded rules, "*" for the others. ValueError names the wrong."""
    decoded = {mailbox: tuple(FieldRule.decode(dict(rule)) for rule in given) for mailbox, given in rules.items()}

    def read_mail(raw: bytes, mailbox: str) -> tuple[dict[str, Any], Sequence[bytes]]:
        return encode(read(raw, decoded.get(mailbox) or decoded.get("*") or GENERAL))

    for library in _LATE:
        import_module(library)
    read(_REHEARSAL)
    return read_mail


def encode(reading: Reading) -> tuple[dict[str, Any], Sequence[bytes]]:
    """The reading as JSON values with the attachments described, and the attachments' contents in the same order."""
    found = {name: getattr(reading, name) for name in _NAMES}
    found["attachments"] = [
        {
            "n": part.n,
            "name": part.name,
            "type": part.type,
            "size": len(part.content),
            "inline": part.inline,
            "content_id": part.content_id,
        }
        for part in reading.attachments
    ]
    return found, [part.content for part in reading.attachments]

"""Reads a mail in a child: calls `worker.reading` and encodes the result for the pipe."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any

from worker.reading import MailAttachment, Reading, read, read_files, read_headers, read_message
from worker.reading.fields.extract import forget_plans
from worker.reading.fields.rules import GENERAL_RULES, FieldRule, add_general
from worker.sandbox.file_watch import FileWatch
from worker.sandbox.frames import GENERAL, Answer, EncodedRules, ReadFunction

#: Libraries that `worker.reading` imports only when a mail needs them. Loading them early costs 30 MB a child and
#: saves a mail 0.4 s.
_LATE = ("charset_normalizer", "dateparser", "icalendar", "openpyxl", "phonenumbers", "pypdf")

#: A mail that is read once at the start, so that the data of those libraries is loaded as well.
_WARM_UP_MAIL = (
    b"From: a@example.com\r\nSubject: Policy AB-12345\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<p>Effective date: 3 March 2025<br>Due date: 3 mars 2025<br>Date of loss: 3 sierpnia 2025<br>"
    b"Amount: 1,250.00 USD<br>Phone: +1 212 555 0100</p>"
)


_NAMES = tuple(field.name for field in fields(Reading))


def make_reader(rules: EncodedRules) -> ReadFunction:
    """Return the function that reads with *rules*; mailboxes without any have the general ones.

    Raises ValueError, which names the wrong rule.
    """
    decoded = {mailbox: _decode(given) for mailbox, given in rules.items()}
    others = decoded.get("*", GENERAL_RULES)
    forget_plans()

    def read_mail(raw: bytes, mailbox: str, watch: FileWatch) -> Iterator[Answer]:
        message = read_message(raw, decoded.get(mailbox, others))
        yield encode(message.reading)._replace(more=message.has_files_to_read)
        if message.has_files_to_read:
            yield encode_changes(message.reading, read_files(message, watch))

    for library in _LATE:
        import_module(library)
    read(_WARM_UP_MAIL)
    return read_mail


def _decode(given: Sequence[Mapping[str, Any] | str]) -> tuple[FieldRule, ...]:
    own = [FieldRule.decode(dict(rule)) for rule in given if not isinstance(rule, str)]
    return add_general(own) if GENERAL in given else tuple(own)


def make_header_reader(_rules: object) -> ReadFunction:
    """Return the function that reads only the headers. It extracts no fields, so it needs no rules."""

    def read_mail(raw: bytes, _mailbox: str, _watch: FileWatch) -> Iterator[Answer]:
        yield encode(read_headers(raw))

    return read_mail


def encode(reading: Reading) -> Answer:
    """Return the reading as JSON values, with descriptions of the attachments, and their contents in the same order."""
    found = {name: getattr(reading, name) for name in _NAMES}
    found["attachments"] = _describe(reading.attachments)
    return Answer(found, [file.content for file in reading.attachments])


def encode_changes(first: Reading, second: Reading) -> Answer:
    """Return what is in the second reading of a mail and not in the first."""
    found = {name: value for name in _NAMES if (value := getattr(second, name)) != getattr(first, name)}
    if "attachments" not in found:
        return Answer(found, None)
    found["attachments"] = _describe(second.attachments)
    contents = [file.content for file in second.attachments]
    are_same = [file.content for file in first.attachments] == contents
    return Answer(found, None if are_same else contents)


def _describe(files: Sequence[MailAttachment]) -> list[dict[str, Any]]:
    return [
        {
            "n": file.n,
            "name": file.name,
            "type": file.type,
            "size": len(file.content),
            "inline": file.inline,
            "content_id": file.content_id,
            "unread": file.unread,
            "path": file.path,
        }
        for file in files
    ]

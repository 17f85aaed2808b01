"""Functions of the reading children in these tests: they fail at an `X-Poison:` header and at odd files."""

import os
from collections.abc import Iterator
from typing import Any

from worker.reading import ReadingLimits
from worker.reading.attachments import document_text
from worker.reading.attachments.work import Work
from worker.sandbox import mail_reader
from worker.sandbox.file_watch import FileWatch
from worker.sandbox.frames import Answer, ReadFunction


def prepare(rules: Any) -> ReadFunction:
    """Return the ordinary reading function, except that it fails at poison, and at files of two more types."""
    read = mail_reader.make_reader(rules)
    document_text._READERS |= {"application/x-spin": _spin, "application/x-crash": _crash}

    def read_mail(raw: bytes, mailbox: str, watch: FileWatch) -> Iterator[Answer]:
        if b"X-Poison: spin" in raw:
            while True:
                pass
        if b"X-Poison: memory" in raw:
            yield Answer({"text": str(len(bytearray(2 << 30)))}, [])
        if b"X-Poison: crash" in raw:
            os.abort()
        yield from read(raw, mailbox, watch)

    return read_mail


def prepare_headers(rules: Any) -> ReadFunction:
    """Return the ordinary function for headers, except that it fails at one kind of poison."""
    read = mail_reader.make_header_reader(rules)

    def read_mail(raw: bytes, mailbox: str, watch: FileWatch) -> Iterator[Answer]:
        if b"X-Poison: crash-headers" in raw:
            os.abort()
        yield from read(raw, mailbox, watch)

    return read_mail


def _spin(_: bytes, __: ReadingLimits, ___: Work) -> Iterator[str]:
    """Give a text, then never end."""
    yield "Claim number: CL-4711\n"
    while True:
        pass


def _crash(_: bytes, __: ReadingLimits, ___: Work) -> Iterator[str]:
    yield ""
    os.abort()

"""What reading children of these tests do: read mails as always, but come to grief over those with a marker header."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from worker import letterhead
from worker.sandbox import mail

Read = Callable[[bytes, str], tuple[dict[str, Any], Sequence[bytes]]]


def prepare(rules: Any) -> Read:
    """The ordinary reading with a weakness for `X-Poison:`."""
    read = mail.prepare(rules)

    def read_mail(raw: bytes, mailbox: str) -> tuple[dict[str, Any], Sequence[bytes]]:
        if b"X-Poison: spin" in raw:
            while True:
                pass
        if b"X-Poison: memory" in raw:
            return {"text": str(len(bytearray(2 << 30)))}, []
        if b"X-Poison: crash" in raw:
            os.abort()
        return read(raw, mailbox)

    return read_mail


def prepare_headers(rules: Any) -> Read:
    """The ordinary reading of headers, which ends over one kind of poison too."""
    read = letterhead.prepare(rules)

    def read_mail(raw: bytes, mailbox: str) -> tuple[dict[str, Any], Sequence[bytes]]:
        if b"X-Poison: crash-headers" in raw:
            os.abort()
        return read(raw, mailbox)

    return read_mail

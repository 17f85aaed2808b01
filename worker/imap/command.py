"""One IMAP command and its result: aioimaplib's Command, which keeps whole responses and never shows them."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from aioimaplib.aioimaplib import Command

from worker.imap.errors import ImapError
from worker.imap.framing import MAX_LINE_BYTES, MAX_UNSOLICITED_BYTES, ServerResponse


class CommandResult(NamedTuple):
    """The end of a command: OK, NO or BAD, the text after it, and the untagged responses without their `* `."""

    status: str
    text: bytes
    responses: list[ServerResponse]


class ImapCommand(Command):  # type: ignore[misc]  # aioimaplib carries no types
    """One command, with limits for its responses. Shows neither its arguments nor its responses.

    *replies* are what we send after each `+` of the server, *total*, *literal* and *line* are limits in bytes.
    """

    def __init__(
        self,
        name: str,
        tag: str,
        *args: str,
        uid: bool = False,
        replies: Iterable[bytes] = (),
        closing: bytes = b"",
        total: int = MAX_UNSOLICITED_BYTES,
        literal: int = 0,
        line: int = MAX_LINE_BYTES,
        secrets: Iterable[str] = (),
    ) -> None:
        super().__init__(name, tag, *args, prefix="UID" if uid else None)
        self.continuations = deque(replies)
        #: What we send to an unexpected challenge, so that the server ends with NO.
        self.challenge_response = closing
        #: What an error must not show when the server repeats our line in its refusal.
        self.secrets = tuple(secrets)
        self.limits = {"total": total, "literal": literal, "line": line}
        self.responses: list[ServerResponse] = []
        self.challenges: list[str] = []

    def __str__(self) -> str:
        return " ".join([self.tag, (self.prefix or "") + self.name, *self.args])

    def __repr__(self) -> str:
        return f"<{self.tag} {self.name}>"

    def fail(self, error: ImapError) -> None:
        self._exception = error
        self._event.set()

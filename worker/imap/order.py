"""One command and its reply: aioimaplib's Command, which keeps whole answers and shows none of them."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from aioimaplib.aioimaplib import Command

from worker.imap.errors import ImapError
from worker.imap.framing import LONGEST_LINE, UNASKED, Answer


class Reply(NamedTuple):
    """What a command brought: OK, NO or BAD, the text after it, and the untagged answers without their `* `."""

    status: str
    text: bytes
    answers: list[Answer]


class Order(Command):  # type: ignore[misc]  # aioimaplib carries no types
    """One command on its way, with what it is ready to take. Shows neither its arguments nor its answers."""

    def __init__(
        self,
        name: str,
        tag: str,
        *args: str,
        uid: bool = False,
        replies: Iterable[bytes] = (),
        closing: bytes = b"",
        total: int = UNASKED,
        literal: int = 0,
        line: int = LONGEST_LINE,
        secrets: Iterable[str] = (),
    ) -> None:
        super().__init__(name, tag, *args, prefix="UID" if uid else None)
        self.replies = deque(replies)
        #: What is said to a challenge that nobody expected, so that the server comes to its NO.
        self.closing = closing
        #: What must not be repeated when the server repeats our line in its refusal.
        self.secrets = tuple(secrets)
        self.allowed = {"total": total, "literal": literal, "line": line}
        self.answers: list[Answer] = []
        self.challenges: list[str] = []

    def __str__(self) -> str:
        return " ".join([self.tag, (self.prefix or "") + self.name, *self.args])

    def __repr__(self) -> str:
        return f"<{self.tag} {self.name}>"

    def break_off(self, error: ImapError) -> None:
        self._exception = error
        self._event.set()

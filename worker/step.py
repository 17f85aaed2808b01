"""What is done to a mail in its mailbox afterwards, and whether a server can: the setting `after` as a step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from worker.imap import NO_WAY_TO_MOVE, Connection, Folder, can_move


@dataclass(frozen=True, slots=True)
class Step:
    """A `flag` that is set, or a folder (`target`) into which the mail is moved. Nothing deletes.

    Doing it again does no harm: a flag is set once, and what was moved is not there any more.
    """

    flag: str = ""
    target: str = ""

    @classmethod
    def of(cls, after: str) -> Self | None:
        """The step that the setting names; None for `leave`."""
        verb, _, name = after.partition(":")
        steps = {"seen": cls(flag="\\Seen"), "keyword": cls(flag=name), "move": cls(target=name)}
        return steps.get(verb)

    def __str__(self) -> str:
        if self.target:
            return f'moved to "{self.target}"'
        return "marked as seen" if self.flag == "\\Seen" else f"marked with the keyword {self.flag}"

    def hindrance(self, name: str, folder: Folder, capabilities: frozenset[str]) -> str:
        """Why the server cannot do it in the folder *name*; '' when it can."""
        if folder.read_only:
            return f'the server opens "{name}" for reading only: this user may change nothing there'
        if self.flag == "\\Seen" and not folder.keeps(self.flag):
            return f'the server does not keep in "{name}" what was seen'
        if self.flag and not folder.keeps(self.flag):
            return f'the server keeps no keyword {self.flag} in "{name}"'
        if not self.target:
            return ""
        if self.target == name or self.target.upper() == name.upper() == "INBOX":
            return f'"{name}" is the folder in which the mail lies already'
        if not can_move(capabilities):
            return NO_WAY_TO_MOVE
        if not {"MOVE", "IMAP4REV2"} & capabilities and not folder.keeps("\\Deleted"):
            return f'this user may take no mail out of "{name}"'
        return ""

    async def carry_out(self, connection: Connection, uids: Sequence[int]) -> None:
        """Do it to *uids* of the selected folder. Raises ImapError; what is gone by then is passed over."""
        if self.target:
            await connection.move(uids, self.target)
        else:
            await connection.add_flags(uids, self.flag)

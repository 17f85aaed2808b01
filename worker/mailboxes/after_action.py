"""The after-action of a mailbox, from the setting `after_action`, and whether a server supports it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from worker.imap import MOVE_UNSUPPORTED, Connection, Folder, can_move


@dataclass(frozen=True, slots=True)
class AfterAction:
    """A flag to set, or a target folder to move the mail into. Nothing deletes.

    It is safe to repeat: a flag is set once, and a moved mail is not there any more.
    """

    flag: str = ""
    target_folder: str = ""

    @classmethod
    def from_setting(cls, after: str) -> Self | None:
        """Return the action that the setting names, or None for `leave`."""
        verb, _, name = after.partition(":")
        actions = {"seen": cls(flag="\\Seen"), "keyword": cls(flag=name), "move": cls(target_folder=name)}
        return actions.get(verb)

    def __str__(self) -> str:
        if self.target_folder:
            return f'moved to "{self.target_folder}"'
        return "marked as seen" if self.flag == "\\Seen" else f"marked with the keyword {self.flag}"

    def unsupported_reason(self, name: str, folder: Folder, capabilities: frozenset[str]) -> str:
        """Return why the server cannot do this in the folder *name*, or '' when it can."""
        if folder.is_read_only:
            return f'the server opens "{name}" for reading only: this user may change nothing there'
        if self.flag == "\\Seen" and not folder.has_permanent_flag(self.flag):
            return f'the server does not keep in "{name}" what was seen'
        if self.flag and not folder.has_permanent_flag(self.flag):
            return f'the server keeps no keyword {self.flag} in "{name}"'
        if not self.target_folder:
            return ""
        if self.target_folder == name or self.target_folder.upper() == name.upper() == "INBOX":
            return f'"{name}" is the folder in which the mail is already'
        if not can_move(capabilities):
            return MOVE_UNSUPPORTED
        if not {"MOVE", "IMAP4REV2"} & capabilities and not folder.has_permanent_flag("\\Deleted"):
            return f'this user may take no mail out of "{name}"'
        return ""

    async def apply(self, connection: Connection, uids: Sequence[int]) -> None:
        """Apply this to *uids* of the selected folder. Mail that is gone is skipped. Raises ImapError."""
        if self.target_folder:
            await connection.move(uids, self.target_folder)
        else:
            await connection.add_flags(uids, self.flag)

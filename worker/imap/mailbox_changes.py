"""Changes a mailbox on request: adds a flag, moves mail. Nothing is ever deleted.

Each function works on the selected folder and is safe to repeat: mail that is gone is skipped.
"""

from collections.abc import Sequence

from worker.imap.client import GuardedProtocol
from worker.imap.command import ImapCommand
from worker.imap.errors import CommandRefusedError
from worker.imap.quoting import encode_folder_name, split_uid_sets
from worker.imap.responses import parse_search

#: How a server says that a folder is not there: RFC 3501 §7.1, RFC 5530 §3.
_NO_SUCH_FOLDER = ("TRYCREATE", "NONEXISTENT")

#: The message where a server has no way to move mail without expunging other mail.
MOVE_UNSUPPORTED = "the server cannot move mail: it knows neither MOVE (RFC 6851) nor UIDPLUS (RFC 4315)"


def can_move(capabilities: frozenset[str]) -> bool:
    """Return whether mail can be moved without changing other mail."""
    return bool({"MOVE", "IMAP4REV2", "UIDPLUS"} & capabilities)


async def add_flags(protocol: GuardedProtocol, uids: Sequence[int], flag: str, *, total: float) -> None:
    """Set *flag* (`\\\\Seen`, or a keyword) on *uids*; other flags stay. *total*: seconds for each short command."""
    for _, uid_set in split_uid_sets(sorted(set(uids))):
        await _run(protocol, protocol.command("STORE", uid_set, "+FLAGS.SILENT", f"({flag})", uid=True), total)


async def move(protocol: GuardedProtocol, uids: Sequence[int], folder: str, *, total: float) -> None:
    """Move *uids* into *folder*, which is created when it is missing.

    Without MOVE they are copied, then only they are expunged: a plain EXPUNGE would remove mail that others marked.
    CommandRefusedError (with the code CANNOT) where UIDPLUS is missing too: nothing was sent then.
    """
    if not can_move(protocol.capabilities):
        raise CommandRefusedError(MOVE_UNSUPPORTED, "NO", code="CANNOT")
    move_set = _move if {"MOVE", "IMAP4REV2"} & protocol.capabilities else _copy_and_expunge
    for _, uid_set in split_uid_sets(sorted(set(uids))):
        await move_set(protocol, uid_set, folder, total)


async def _move(protocol: GuardedProtocol, uid_set: str, folder: str, total: float) -> None:
    await _into(protocol, "MOVE", uid_set, folder, total)


async def _copy_and_expunge(protocol: GuardedProtocol, uid_set: str, folder: str, total: float) -> None:
    """Copy and expunge, without mail that is \\Deleted: others marked it, or we copied it before a disconnect."""
    command = protocol.command("SEARCH", "UID", uid_set, "UNDELETED", uid=True)
    result = await protocol.run(command, total_seconds=total, read_seconds=total)
    for _, alive in split_uid_sets(await parse_search(result.responses, 1)):
        await _into(protocol, "COPY", alive, folder, total)
        await _run(protocol, protocol.command("STORE", alive, "+FLAGS.SILENT", r"(\Deleted)", uid=True), total)
        await _run(protocol, protocol.command("EXPUNGE", alive, uid=True), total)


async def _into(protocol: GuardedProtocol, verb: str, uid_set: str, folder: str, total: float) -> None:
    def command() -> ImapCommand:
        return protocol.command(verb, uid_set, encode_folder_name(folder), uid=True)

    try:
        await _run(protocol, command(), total)
    except CommandRefusedError as error:
        if error.status != "NO" or error.code not in _NO_SUCH_FOLDER:
            raise
        await create_folder(protocol, folder, total=total)
        await _run(protocol, command(), total)


async def create_folder(protocol: GuardedProtocol, folder: str, *, total: float) -> None:
    """Create *folder* and subscribe to it, so that mail programs show it. It may exist already."""
    try:
        await _run(protocol, protocol.command("CREATE", encode_folder_name(folder)), total)
    except CommandRefusedError as error:
        if error.code != "ALREADYEXISTS":
            raise
    await protocol.run(
        protocol.command("SUBSCRIBE", encode_folder_name(folder)),
        total_seconds=total,
        read_seconds=total,
        refusal=False,
    )


async def has_folder(protocol: GuardedProtocol, folder: str, *, total: float) -> bool:
    """Return whether there is such a folder. STATUS opens nothing and has no wildcards."""
    try:
        await _run(protocol, protocol.command("STATUS", encode_folder_name(folder), "(UIDVALIDITY)"), total)
    except CommandRefusedError as error:
        if error.status != "NO" or error.code not in ("", *_NO_SUCH_FOLDER):
            raise
        return False
    return True


async def _run(protocol: GuardedProtocol, command: ImapCommand, total: float) -> None:
    await protocol.run(command, total_seconds=total, read_seconds=total)

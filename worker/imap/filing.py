"""What may be changed in a mailbox on request: a flag added, mail moved. Nothing is ever deleted.

Each function is one step on a selected folder that may be done again: what is gone by then is passed over.
"""

from collections.abc import Sequence

from worker.imap.answers import uids_of
from worker.imap.client import GuardedProtocol
from worker.imap.errors import CommandRefusedError
from worker.imap.order import Order
from worker.imap.quoting import folder_name, uid_sets

#: How a server says that a folder is not there: RFC 3501 §7.1, RFC 5530 §3.
_NO_SUCH_FOLDER = ("TRYCREATE", "NONEXISTENT")

#: What is said where a server leaves no way to move mail without taking that of others.
NO_WAY_TO_MOVE = "the server cannot move mail: it knows neither MOVE (RFC 6851) nor UIDPLUS (RFC 4315)"


def can_move(capabilities: frozenset[str]) -> bool:
    """Whether there is a way to move mail that touches nothing else."""
    return bool({"MOVE", "IMAP4REV2", "UIDPLUS"} & capabilities)


async def add_flags(protocol: GuardedProtocol, uids: Sequence[int], flag: str, *, total: float) -> None:
    """Set *flag* (`\\\\Seen`, or a keyword) on *uids*; other flags stay. *total*: seconds for each short command."""
    for _, uid_set in uid_sets(sorted(set(uids))):
        await _run(protocol, protocol.order("STORE", uid_set, "+FLAGS.SILENT", f"({flag})", uid=True), total)


async def move(protocol: GuardedProtocol, uids: Sequence[int], folder: str, *, total: float) -> None:
    """Move *uids* into *folder*, which is made when it is missing.

    Without MOVE they are copied, and then just those expunged: a plain EXPUNGE would take what others have marked.
    CommandRefusedError (with the code CANNOT) where UIDPLUS is missing too: nothing was sent then.
    """
    if not can_move(protocol.capabilities):
        raise CommandRefusedError(NO_WAY_TO_MOVE, "NO", code="CANNOT")
    step = _move if {"MOVE", "IMAP4REV2"} & protocol.capabilities else _copy_and_expunge
    for _, uid_set in uid_sets(sorted(set(uids))):
        await step(protocol, uid_set, folder, total)


async def _move(protocol: GuardedProtocol, uid_set: str, folder: str, total: float) -> None:
    await _into(protocol, "MOVE", uid_set, folder, total)


async def _copy_and_expunge(protocol: GuardedProtocol, uid_set: str, folder: str, total: float) -> None:
    """What carries \\Deleted already was marked by somebody, or copied by us before we were cut: neither is copied."""
    order = protocol.order("SEARCH", "UID", uid_set, "UNDELETED", uid=True)
    reply = await protocol.run(order, total=total, quiet=total)
    for _, alive in uid_sets(await uids_of(reply.answers, 1)):
        await _into(protocol, "COPY", alive, folder, total)
        await _run(protocol, protocol.order("STORE", alive, "+FLAGS.SILENT", r"(\Deleted)", uid=True), total)
        await _run(protocol, protocol.order("EXPUNGE", alive, uid=True), total)


async def _into(protocol: GuardedProtocol, verb: str, uid_set: str, folder: str, total: float) -> None:
    def order() -> Order:
        return protocol.order(verb, uid_set, folder_name(folder), uid=True)

    try:
        await _run(protocol, order(), total)
    except CommandRefusedError as error:
        if error.status != "NO" or error.code not in _NO_SUCH_FOLDER:
            raise
        await make_folder(protocol, folder, total=total)
        await _run(protocol, order(), total)


async def make_folder(protocol: GuardedProtocol, folder: str, *, total: float) -> None:
    """Make *folder* and show it in people's programs. One that somebody else has just made is as good."""
    try:
        await _run(protocol, protocol.order("CREATE", folder_name(folder)), total)
    except CommandRefusedError as error:
        if error.code != "ALREADYEXISTS":
            raise
    await protocol.run(protocol.order("SUBSCRIBE", folder_name(folder)), total=total, quiet=total, refusal=False)


async def has_folder(protocol: GuardedProtocol, folder: str, *, total: float) -> bool:
    """Whether there is such a folder; asked by STATUS, which opens nothing and knows no wildcards."""
    try:
        await _run(protocol, protocol.order("STATUS", folder_name(folder), "(UIDVALIDITY)"), total)
    except CommandRefusedError as error:
        if error.status != "NO" or error.code not in ("", *_NO_SUCH_FOLDER):
            raise
        return False
    return True


async def _run(protocol: GuardedProtocol, order: Order, total: float) -> None:
    await protocol.run(order, total=total, quiet=total)

"""Where the reading of a mailbox begins: a decision from what is known, what is set, and what the server says. Pure."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

from worker.imap import Folder
from workitems.mailbox import Checkpoint

Start = Literal["now", "all"] | date

#: SEARCH SINCE compares days in the server's time zone, which we do not know.
_ANY_ZONE = timedelta(days=1)


def first_sight(start: Start, folder: Folder, following: int, today: date) -> Checkpoint:
    """The checkpoint of a mailbox that was never seen; *following* is above every UID that is there."""
    if start == "all":
        return Checkpoint(folder.uidvalidity, 0)
    if start == "now":
        return Checkpoint(folder.uidvalidity, following - 1, since=today - _ANY_ZONE)
    return Checkpoint(folder.uidvalidity, 0, since=start, below=following)


def renumbered(known: Checkpoint, folder: Folder, following: int) -> Checkpoint:
    """The checkpoint after the server numbered its mail anew (RFC 3501 §2.3.1.1): all of it is looked at again.

    What was read is known by its identity. What is older than the first sight of a mailbox was not wanted then, and is
    not now: UIDs are new, but INTERNALDATE stays.
    """
    return replace(known, uidvalidity=folder.uidvalidity, uid=0, below=following if known.since else 0)

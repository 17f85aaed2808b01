"""Decides the checkpoint of a folder from what is known, from the settings, and from what the server says. Pure."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

from worker.imap import Folder
from workitems.mailboxes.checkpoint import Checkpoint

StartFrom = Literal["now", "all"] | date

#: SEARCH SINCE compares days in the server's time zone, which is unknown.
_ANY_ZONE = timedelta(days=1)


def initial_checkpoint(start: StartFrom, folder: Folder, next_uid: int, today: date) -> Checkpoint:
    """Return the checkpoint of a folder that was never seen. *next_uid* is above every UID that is there."""
    if start == "all":
        return Checkpoint(folder.uidvalidity, 0)
    if start == "now":
        return Checkpoint(folder.uidvalidity, next_uid - 1, since=today - _ANY_ZONE)
    return Checkpoint(folder.uidvalidity, 0, since=start, below=next_uid)


def checkpoint_after_renumbering(known: Checkpoint, folder: Folder, next_uid: int) -> Checkpoint:
    """Return the checkpoint after UIDVALIDITY changed (RFC 3501 §2.3.1.1): all mail is looked at again.

    Mail that was read before has the same item id. Mail from before the start of reading is still not read: the UIDs
    are new, but INTERNALDATE stays.
    """
    return replace(known, uidvalidity=folder.uidvalidity, uid=0, below=next_uid if known.since else 0)

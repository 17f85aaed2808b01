"""The new UIDs of a folder, and how many of them its server has really assigned.

UIDNEXT is above every UID that was assigned (RFC 3501 §2.3.1.1). A checkpoint at an invented UID above it would hide
the mail that gets a lower UID later.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from worker.imap import Connection, Folder
from workitems.mailboxes.checkpoint import Checkpoint

#: Above every UID.
NO_UID = 1 << 32

#: UIDs for which FETCH is asked at once to find the highest one.
_ASKED_AT_ONCE = 100


class NewUids(NamedTuple):
    """UIDs after a checkpoint, ascending. *doubtful* ones, at or above UIDNEXT, must not move it."""

    assigned: list[int]
    doubtful: list[int]


def count_assigned(uids: Sequence[int], below: int, doubtful_from: int = NO_UID) -> int:
    """Return how many of *uids* (ascending) are below *below*, or follow from it without a gap.

    Servers give UIDs in sequence, so a run that begins at UIDNEXT is mail that came after it was sent. The run ends
    at *doubtful_from*. With a million UIDs this takes microseconds.
    """
    start = bisect_left(uids, below)
    end = bisect_right(range(len(uids)), below - start, lo=start, key=lambda place: uids[place] - place)
    return max(start, min(end, bisect_left(uids, doubtful_from)))


async def search_new(connection: Connection, checkpoint: Checkpoint) -> list[int]:
    """Return the UIDs that the server lists after *checkpoint*, ascending, without mail from before the start."""
    first = checkpoint.uid + 1
    if not checkpoint.since or first >= checkpoint.below:
        return await connection.search(first)
    young = await connection.search(first, since=checkpoint.since)
    return [uid for uid in young if uid < checkpoint.below] + await connection.search(checkpoint.below)


async def find_next_uid(connection: Connection, folder: Folder) -> int:
    """Return a number above every UID of *folder*: its UIDNEXT, or where it gives none one above its highest mail."""
    return folder.uidnext or await find_highest_given(connection, await connection.search(1)) + 1


async def find_highest_given(connection: Connection, uids: Sequence[int]) -> int:
    """Return the highest of *uids* (ascending) for which FETCH gives a mail, or 0. SEARCH alone proves nothing."""
    for end in range(len(uids), 0, -_ASKED_AT_ONCE):
        if given := await connection.fetch_summaries(uids[max(0, end - _ASKED_AT_ONCE) : end]):
            return max(given)
    return 0

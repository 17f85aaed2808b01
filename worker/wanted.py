"""Which UIDs of an open mailbox are to be taken."""

from worker.imap import Connection
from workitems.mailbox import Checkpoint


async def wanted(connection: Connection, checkpoint: Checkpoint) -> list[int]:
    """UIDs after the checkpoint, ascending, without those that are older than the mailbox's start."""
    uids = await connection.search(checkpoint.uid + 1)
    if not checkpoint.since or not uids or uids[0] >= checkpoint.below:
        return uids
    young = set(await connection.search(checkpoint.uid + 1, since=checkpoint.since))
    return [uid for uid in uids if uid >= checkpoint.below or uid in young]

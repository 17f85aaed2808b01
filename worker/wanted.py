"""Which UIDs of an open mailbox are to be taken."""

from worker.imap import Connection
from workitems.mailbox import Checkpoint


async def wanted(connection: Connection, checkpoint: Checkpoint) -> list[int]:
    """UIDs after the checkpoint, ascending, without those that are older than the mailbox's start."""
    first = checkpoint.uid + 1
    if not checkpoint.since or first >= checkpoint.below:
        return await connection.search(first)
    young = await connection.search(first, since=checkpoint.since)
    return [uid for uid in young if uid < checkpoint.below] + await connection.search(checkpoint.below)

"""The health of mailboxes and workers, and the statistics of this process."""

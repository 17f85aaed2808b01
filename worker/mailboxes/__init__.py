"""Watches mailboxes: polls folders, fetches mail, keeps checkpoints, and acts on mail after it was published."""

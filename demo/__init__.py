"""The embedded default of `make run`: a mailbox of its own and letters that come into it.

Nothing here is needed, started or imported when Tubepost serves real mailboxes.
"""

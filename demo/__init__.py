"""The demo of `make run`: a mailbox of its own and letters that arrive in it; and the embedded Redis.

Of all this only the embedded Redis runs when Tubepost serves real mailboxes.
"""

"""The statuses of a work item; the one definition for Python, for the Lua scripts and, held by a test, for the page."""

STATUSES = ("new", "in_progress", "waiting", "done", "dismissed")

#: An item with one of these needs no more work.
CLOSED_STATUSES = ("done", "dismissed")

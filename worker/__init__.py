"""Reads mail: polls mailboxes, opens what came in, cuts fields out of it and publishes work items."""

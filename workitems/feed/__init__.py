"""The feed: every change of every item, in order, as one Redis stream."""

"""Mail on its way in: its identity, storing it once, and the queue in which it waits to be read."""

"""The event stream: one feed reader in each process sends events to all open streams."""

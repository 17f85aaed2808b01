"""Jobs: work that an administrator asks a server process for, and that a worker does."""

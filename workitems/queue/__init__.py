"""Work items: published, changed, listed; and mail that could not be read."""

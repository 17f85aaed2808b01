"""Raw mail and what was read from it, as files that survive a power failure."""

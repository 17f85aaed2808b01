"""Tasks that run beside the reading: repair of lost entries, and retention."""

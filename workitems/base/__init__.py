"""What every other folder here uses: Redis, its keys, errors, JSON, logging and waiting."""

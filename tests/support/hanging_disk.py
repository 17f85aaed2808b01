"""A disk that hangs: whoever opens a FIFO waits for a writer, as for a network disk whose server is away."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hanging(path: Path) -> Iterator[None]:
    """Make all that opens the file *path* hang inside the block."""
    away, fifo = (path.with_name(f"{name}-{secrets.token_hex(4)}") for name in ("away", "fifo"))
    path.rename(away)
    os.mkfifo(path)
    os.link(path, fifo)
    try:
        yield
    finally:
        away.replace(path)
        os.close(os.open(fifo, os.O_RDWR))  # ends every open that waits
        fifo.unlink()

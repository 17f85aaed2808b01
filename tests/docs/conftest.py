"""Check the documents' claims and examples on a real server."""

from tests.server.conftest import app, context, open_stream, settings

#: Seconds until a condition must be true: far more than a busy machine needs.
PATIENCE = 30.0

__all__ = ["app", "context", "open_stream", "settings"]

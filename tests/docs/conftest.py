"""What the documents say is tried on a real server."""

from tests.server.conftest import app, context, open_stream, settings

__all__ = ["app", "context", "open_stream", "settings"]

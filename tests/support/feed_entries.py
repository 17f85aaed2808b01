"""Reads all entries of the feed with their events, with a test's own Redis client."""

from typing import Any

from redis import Redis

from workitems.base import keys


def feed_entries(client: "Redis[Any]") -> list[tuple[str, bytes, dict[bytes, bytes]]]:
    """Return cursor, event (JSON; b"" when it was erased) and fields of every entry, oldest first."""
    entries: Any = client.xrange(keys.FEED)
    return [(entry_id.decode(), _event(client, entry_id, fields), fields) for entry_id, fields in entries]


def _event(client: Any, entry_id: bytes, fields: dict[bytes, bytes]) -> bytes:
    return fields.get(b"data") or client.hget(keys.events(fields[b"id"].decode()), entry_id) or b""

"""Loads the list page by page, as a client does before it opens the stream."""

import asyncio
import json
from typing import Any

#: Seconds for one page.
_TIMEOUT = 20.0


async def load(port: int, token: str) -> tuple[str, dict[str, int]]:
    """Return (head, id → version). The head is from the first page: all later changes are in the events after it.

    Raises OSError (TimeoutError among them) or EOFError when the server does not answer as it should.
    """
    items: dict[str, int] = {}
    head, before = "", ""
    while True:
        page = await get(port, token, f"/api/workitems?limit=200{before}")
        head = head or page["head"]
        items |= {item["id"]: item["version"] for item in page["items"]}
        if not page["next"]:
            return head, items
        before = f"&before={page['next']}"


async def get(port: int, token: str, path: str) -> Any:
    """Return the JSON answer of the server."""
    async with asyncio.timeout(_TIMEOUT):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = (
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode())
            answered = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if " 200 " not in answered.partition("\r\n")[0]:
                raise ConnectionError(answered.partition("\r\n")[0])
            length = answered.partition("content-length:")[2].partition("\r\n")[0]
            return json.loads(await reader.readexactly(int(length)))
        finally:
            writer.close()

"""Attachments and raw mails, always as a download."""

import asyncio
from pathlib import Path

from tornado.iostream import StreamClosedError

from server.handlers.base import BaseHandler
from server.http.content_disposition import content_disposition
from workitems.base.errors import StoreUnavailableError
from workitems.mailstore.stored_file import StoredFile
from workitems.queue.item import Json

#: Bytes of one download that are in memory.
CHUNK = 128 * 1024

#: Seconds in which the client must take a chunk.
CHUNK_TIMEOUT = 60.0


class DownloadHandler(BaseHandler):
    """Sends a file in pieces."""

    async def send(self, path: Path, content_type: str, disposition: str) -> None:
        """Send the file so that no browser shows it in our origin. Raise NotFoundError, StoreUnavailableError."""
        self.set_header("Content-Type", content_type)
        self.set_header("Content-Disposition", disposition)
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        self.set_header("Cache-Control", "private, no-store")
        async with self.context.mailstore.opened(path) as file:
            await self._send(file)

    async def _send(self, file: StoredFile) -> None:
        left = file.size
        self.set_header("Content-Length", str(left))
        try:
            while left > 0 and (chunk := await file.read(min(CHUNK, left))):
                left -= len(chunk)
                self.write(chunk)
                async with asyncio.timeout(CHUNK_TIMEOUT):
                    await self.flush()
        except (StreamClosedError, TimeoutError):
            self._cut()
        except StoreUnavailableError:
            if left == file.size:  # nothing was sent
                raise
            self._cut()

    def _cut(self) -> None:
        """Close the connection: the client sees by Content-Length that the file is incomplete."""
        self.request.connection.stream.close()  # type: ignore[union-attr]


class AttachmentHandler(DownloadHandler):
    """`GET …/attachments/<n>`."""

    async def get(self, item_id: str, number: str) -> None:
        n = int(number)
        reading = await self.context.mailstore.get_reading(item_id)
        path = await self.context.mailstore.attachment_path(item_id, n)
        await self.send(path, "application/octet-stream", content_disposition(_name(reading, n), f"attachment-{n}"))


class RawHandler(DownloadHandler):
    """`GET …/raw`: the mail's bytes as `.eml`."""

    async def get(self, item_id: str) -> None:
        path = await self.context.mailstore.raw_path(item_id)
        await self.send(path, "message/rfc822", content_disposition(f"{item_id}.eml", "mail.eml"))


def _name(reading: Json, n: int) -> str:
    names = (part.get("name") for part in reading.get("attachments", []) if part.get("n") == n)
    return str(next(names, None) or "")

"""Files out of a mail, and the mail itself: always as a download."""

import asyncio
from pathlib import Path
from typing import BinaryIO

from tornado.iostream import StreamClosedError

from server.disposition import attachment
from server.handlers.base import Handler
from workitems.errors import NotFoundError
from workitems.item import Json

#: Bytes in memory for one download.
CHUNK = 128 * 1024

#: Seconds in which a chunk must have left.
PATIENCE = 60.0


class DownloadHandler(Handler):
    """Sends a file in pieces."""

    async def send(self, path: Path, content_type: str, disposition: str) -> None:
        """Whatever it claims to be, it is never shown in our origin. Raises NotFoundError."""
        self.set_header("Content-Type", content_type)
        self.set_header("Content-Disposition", disposition)
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        self.set_header("Cache-Control", "private, no-store")
        await self._send(path)

    async def _send(self, path: Path) -> None:
        loop = asyncio.get_running_loop()
        try:
            file, size = await loop.run_in_executor(None, _open, path)
        except FileNotFoundError as error:
            raise NotFoundError("the mail store holds no such attachment") from error
        try:
            self.set_header("Content-Length", str(size))
            while size > 0 and (chunk := await loop.run_in_executor(None, file.read, min(CHUNK, size))):
                size -= len(chunk)
                self.write(chunk)
                await asyncio.wait_for(self.flush(), PATIENCE)
        except (StreamClosedError, TimeoutError):
            self.request.connection.stream.close()  # type: ignore[union-attr]
        finally:
            file.close()


class AttachmentHandler(DownloadHandler):
    """`GET …/attachments/<n>`."""

    async def get(self, item_id: str, number: str) -> None:
        n = int(number)
        reading = await self.context.mailstore.get_reading(item_id)
        path = await self.context.mailstore.attachment(item_id, n)
        await self.send(path, "application/octet-stream", attachment(_name(reading, n), f"attachment-{n}"))


class RawHandler(DownloadHandler):
    """`GET …/raw`: the mail's bytes as `.eml`."""

    async def get(self, item_id: str) -> None:
        path = await self.context.mailstore.raw(item_id)
        await self.send(path, "message/rfc822", attachment(f"{item_id}.eml", "mail.eml"))


def _open(path: Path) -> tuple[BinaryIO, int]:
    file = path.open("rb")
    return file, path.stat().st_size


def _name(reading: Json, n: int) -> str:
    names = (part.get("name") for part in reading.get("attachments", []) if part.get("n") == n)
    return str(next(names, None) or "")

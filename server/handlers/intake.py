"""`POST /api/email/intake`: mail that is posted, by the same corridor as mail that is fetched."""

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any, ClassVar

from tornado.ioloop import IOLoop
from tornado.web import stream_request_body

from server import query
from server.body import read_object
from server.compose import compose
from server.handlers.base import Handler, RefusalError
from server.letter import ACCEPTED, read_letter
from workitems.intake import Origin

#: Seconds that a body may take to arrive.
PATIENCE = 300.0

#: Seconds for which a refused body is still read and thrown away: closing at once would reset the connection, and the
#: sender would not see the answer (RFC 9112 §9.6).
LINGER = 5.0

#: Bodies of the largest size that a process holds at a time.
AT_ONCE = 4

#: Bytes of JSON that are composed on the loop, in about a millisecond; more goes to a thread.
_SMALL = 32 * 1024


@stream_request_body
class IntakeHandler(Handler):
    """Answers 202 when the mail lies in the mail store and Redis knows that it waits."""

    scope = "intake"

    #: Bytes of bodies that this process holds.
    held: ClassVar[int] = 0

    _mine = 0
    #: Bytes that the body has as its head says; None: it comes in chunks.
    _announced: int | None = None
    _received = 0
    _complete = False
    _lingering: object | None = None

    async def prepare(self) -> None:
        self._chunks: list[bytes] = []
        chunked = "Transfer-Encoding" in self.request.headers
        self._announced = None if chunked else _length(self.request.headers.get("Content-Length", "0"))
        connection: Any = self.request.connection
        connection.set_max_body_size(2**62)  # counted here, so that the answer has our form
        connection.set_body_timeout(PATIENCE)
        await super().prepare()
        if self._finished:
            return
        self._kind = self._content_type()
        self._mailbox = query.mailbox(self.get_query_argument("mailbox", self.context.settings.intake.mailbox))
        self._hold(self._announced or 0)

    def data_received(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._lingering is not None:
            if self._announced is not None and self._received >= self._announced:
                self._close()
            return
        try:
            if self._announced is None:
                self._hold(len(chunk))
            self._chunks.append(chunk)
        except RefusalError as refusal:
            self._chunks.clear()
            self.send_error(refusal.status_code, exc_info=(type(refusal), refusal, None))

    async def post(self) -> None:
        self._complete = True
        if self._lingering is not None or self._finished:
            return
        raw, mailbox = await self._mail()
        if not raw:
            self.refuse(422, "invalid", "the body is a mail (RFC 5322)")
        self._check_size(len(raw))
        origin = Origin(mailbox=mailbox, arrived=datetime.now(UTC), source="http", size=len(raw))
        receipt = await self.context.intake.put(raw, origin)
        known = receipt.outcome in ("duplicate", "gone")
        self.answer({"status": "success", "workitem_id": receipt.id, "duplicate": known}, 202)

    async def _mail(self) -> tuple[bytes, str]:
        """The mail's bytes and the mailbox to file it under."""
        if self._kind == "message/rfc822":
            return b"".join(self._chunks), self._mailbox
        work = (self._chunks, self._mailbox, f"<{secrets.token_hex(16)}@tubepost.invalid>")
        if self._received <= _SMALL:
            return composed(*work)
        return await asyncio.get_running_loop().run_in_executor(None, composed, *work)

    def _content_type(self) -> str:
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in ("application/json", "message/rfc822"):
            self.refuse(415, "unsupported_media_type", "application/json and message/rfc822 are accepted")
        if self.request.headers.get("Content-Encoding", "identity").lower() != "identity":
            self.refuse(415, "unsupported_media_type", "a body without Content-Encoding is accepted")
        return kind

    def _hold(self, size: int) -> None:
        """Count *size* more bytes as held until the answer is given."""
        largest = self.context.settings.intake.largest
        self._check_size(self._mine + size)
        if IntakeHandler.held + size > AT_ONCE * largest:
            self.refuse(503, "busy", "too many mails are being posted at once", retry_after=2.0)
        IntakeHandler.held += size
        self._mine += size

    def _check_size(self, size: int) -> None:
        largest = self.context.settings.intake.largest
        if size > largest:
            self.refuse(413, "too_large", f"at most {largest:,} bytes are accepted")

    def _release(self) -> None:
        IntakeHandler.held -= self._mine
        self._mine = 0

    def finish(self, chunk: Any = None) -> Any:
        """Give the answer; while the body is still coming, keep the connection open for a while."""
        if self._complete or self._received == self._announced or "Expect" in self.request.headers:
            return super().finish(chunk)
        self.set_header("Connection", "close")
        self.set_header("Content-Length", str(sum(map(len, self._write_buffer))))
        self._lingering = IOLoop.current().call_later(LINGER, self._close)
        return self.flush()

    def _close(self) -> None:
        if not self._finished:
            super().finish()

    def on_finish(self) -> None:
        self._release()
        if self._lingering is not None:
            IOLoop.current().remove_timeout(self._lingering)

    def on_connection_close(self) -> None:
        self._chunks.clear()
        self.on_finish()


def _length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def composed(chunks: list[bytes], mailbox: str, fresh_id: str) -> tuple[bytes, str]:
    """The mail that posted JSON describes, and its mailbox. Raises InvalidChangeError."""
    asked = read_object(b"".join(chunks), ACCEPTED)
    wanted = query.mailbox(asked["mailbox"]) if asked.get("mailbox") is not None else mailbox
    return compose(read_letter(asked, fresh_id=fresh_id)), wanted

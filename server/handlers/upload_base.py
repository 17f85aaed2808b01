"""What uploads and webhooks share: they receive a body of any size without holding it in memory."""

from typing import Any, ClassVar, NoReturn

from tornado.ioloop import IOLoop
from tornado.web import stream_request_body

from server.access.client_address import client_address
from server.context import Context
from server.handlers.base import BaseHandler, RefusalError, as_refusal
from server.intake.upload_budget import UploadBudget
from server.intake.uploads import UploadBody
from workitems.base.errors import StoreUnavailableError

#: Seconds in which a body must arrive: from trusted senders (True), and from unknown ones.
BODY_TIMEOUTS = {True: 300.0, False: 60.0}

#: Seconds for which a refused body is still read and discarded. To close at once would reset the connection, and the
#: sender would not get the answer (RFC 9112 §9.6).
LINGER = 5.0


@stream_request_body
class UploadHandler(BaseHandler):
    """`post` of a subclass finds the whole body in `body`, which is discarded after the answer."""

    #: Whether bytes are reserved for all that the sender announces, or only for what has arrived.
    is_trusted = True

    body: UploadBody
    _max_bytes = 0
    _reserved = 0
    #: The Content-Length; None: the body comes in chunks.
    _announced: int | None = None
    _received = 0
    _complete = False
    _lingering: object | None = None

    async def prepare(self) -> None:
        self.body = UploadBody(self.context.uploads.spool)
        chunked = "Transfer-Encoding" in self.request.headers
        self._announced = None if chunked else _length(self.request.headers.get("Content-Length", "0"))
        connection: Any = self.request.connection
        connection.set_max_body_size(2**62)  # checked here, so that the answer is one of our errors
        self.resolve_source()
        connection.set_body_timeout(BODY_TIMEOUTS[self.is_trusted])
        await super().prepare()
        if self.request.method == "OPTIONS":
            return
        self._max_bytes = self.check_request()
        if self.request.headers.get("Content-Encoding", "identity").lower() != "identity":
            self.refuse(415, "unsupported_media_type", "only a body without Content-Encoding is accepted")
        self._check(self._announced or 0)
        if self.request.method == "POST":
            await self.context.uploads.check_capacity()
            self._reserve(self._announced or 0 if self.is_trusted else 0)

    def resolve_source(self) -> None:
        """Find the source that the address names, or refuse."""

    def check_request(self) -> int:
        """Return how many bytes the body may have, or refuse the request."""
        raise NotImplementedError

    @property
    def content_type(self) -> str:
        """Return `type/subtype` of the body, in lower case."""
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    async def data_received(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._lingering is not None:
            if self._announced is not None and self._received >= self._announced:
                self._close()
            return
        try:
            if self._announced is None or not self.is_trusted:
                self._check(self._received)
                self._reserve(len(chunk))
            await self.body.add(chunk)
        except (RefusalError, StoreUnavailableError) as error:
            self.body.discard()
            self._release()
            refusal = as_refusal(error) or error
            if not self._finished:
                self.send_error(getattr(refusal, "status_code", 500), exc_info=(type(refusal), refusal, None))

    def begin_post(self) -> bool:
        """Return whether there is a body to work on; to be called first in `post`."""
        self._complete = True
        return self._lingering is None and not self._finished

    def check_mail_size(self, size: int) -> None:
        """Refuse a mail of *size* bytes if it is empty or larger than the settings allow."""
        if not size:
            self.refuse(422, "invalid", "the body is empty; a mail (RFC 5322) is accepted")
        self._check(size, self.context.settings.intake.max_mail_bytes)

    def refuse_too_large(self, max_bytes: int) -> NoReturn:
        """Refuse with 413: the body, or the mail that it describes, has more than *max_bytes* bytes."""
        self.refuse(413, "too_large", f"at most {max_bytes:,} bytes are accepted")

    def _check(self, size: int, max_bytes: int | None = None) -> None:
        if size > (max_bytes or self._max_bytes):
            self.refuse_too_large(max_bytes or self._max_bytes)

    def _reserve(self, size: int) -> None:
        if not self._budget.reserve(size, self._address):
            self.refuse(503, "busy", "too many mails are being posted at once", retry_after=2.0)
        self._reserved += size

    def _release(self) -> None:
        if self._reserved:
            self._budget.release(self._reserved, self._address)
        self._reserved = 0

    @property
    def _budget(self) -> UploadBudget:
        return self.context.uploads.known_budget if self.is_trusted else self.context.uploads.unknown_budget

    @property
    def _address(self) -> str:
        return client_address(self.request, self.context.settings.server.trusted_proxies)

    def finish(self, chunk: Any = None) -> Any:
        """Send the answer; while the body still arrives, keep the connection open for LINGER seconds."""
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
        self.body.discard()
        if self._lingering is not None:
            IOLoop.current().remove_timeout(self._lingering)

    def on_connection_close(self) -> None:
        """Discard an incomplete body. A complete one is put: its sender will try again, and that is a duplicate."""
        if not self._complete:
            self.on_finish()


class RefusedBodyHandler(UploadHandler):
    """Answers a request of any method whose body may not be held in memory."""

    scope: ClassVar[str | None] = None
    is_trusted = False

    def initialize(self, context: Context, max_bytes: int | None = None) -> None:
        """*max_bytes*: how many the body may have; None: it is not too large, but too many bodies come in at once."""
        super().initialize(context)
        self._most = max_bytes

    def check_request(self) -> int:
        """Refuse with 413 or 503."""
        if self._most is None:
            self.refuse(503, "busy", "too many bodies are being received at once", retry_after=2.0)
        self.refuse_too_large(self._most)


def _length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

"""What every address to which mail is posted does the same: receives a body of any size without holding it."""

from typing import Any

from tornado.ioloop import IOLoop
from tornado.web import stream_request_body

from server.address import client_address
from server.handlers.base import Handler, RefusalError, as_refusal
from server.posting import Body, Room
from workitems.errors import StoreUnavailableError

#: Seconds that a body may take to arrive: of those who have shown who they are, and of strangers.
PATIENCE = {True: 300.0, False: 60.0}

#: Seconds for which a refused body is still read and thrown away: closing at once would reset the connection, and the
#: sender would not see the answer (RFC 9112 §9.6).
LINGER = 5.0


@stream_request_body
class PostHandler(Handler):
    """`post` of a subclass finds the whole body in `body`, which is let go of when the answer is given."""

    #: Whether room is taken for all that is announced, or only for what has come.
    trusted = True

    body: Body
    _most = 0
    _taken = 0
    #: Bytes that the body has as its head says; None: it comes in chunks.
    _announced: int | None = None
    _received = 0
    _complete = False
    _lingering: object | None = None

    async def prepare(self) -> None:
        self.body = Body(self.context.desk.spool)
        chunked = "Transfer-Encoding" in self.request.headers
        self._announced = None if chunked else _length(self.request.headers.get("Content-Length", "0"))
        connection: Any = self.request.connection
        connection.set_max_body_size(2**62)  # counted here, so that the answer has our form
        self.find()
        connection.set_body_timeout(PATIENCE[self.trusted])
        await super().prepare()
        if self._finished:
            return
        self._most = self.admit()
        if self.request.headers.get("Content-Encoding", "identity").lower() != "identity":
            self.refuse(415, "unsupported_media_type", "a body without Content-Encoding is accepted")
        self._check(self._announced or 0)
        if self.request.method == "POST":
            await self.context.desk.check()
            self._take(self._announced or 0 if self.trusted else 0)

    def find(self) -> None:
        """What the address names; refuses what there is not."""

    def admit(self) -> int:
        """Bytes that the body may have; refuses whom and what is not wanted."""
        raise NotImplementedError

    @property
    def content_type(self) -> str:
        """`type/subtype` of the body, in lower case."""
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    async def data_received(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._lingering is not None:
            if self._announced is not None and self._received >= self._announced:
                self._close()
            return
        try:
            if self._announced is None or not self.trusted:
                self._check(self._received)
                self._take(len(chunk))
            await self.body.add(chunk)
        except (RefusalError, StoreUnavailableError) as error:
            self.body.forget()
            self._release()
            refusal = as_refusal(error) or error
            if not self._finished:
                self.send_error(getattr(refusal, "status_code", 500), exc_info=(type(refusal), refusal, None))

    def received(self) -> bool:
        """For the head of `post`: whether there is a body to work on."""
        self._complete = True
        return self._lingering is None and not self._finished

    def check_mail(self, size: int) -> None:
        """Refuse a mail of *size* bytes when it is larger than a mail may be, or none at all."""
        if not size:
            self.refuse(422, "invalid", "the body is a mail (RFC 5322)")
        self._check(size, self.context.settings.intake.largest)

    def refuse_large(self, most: int) -> None:
        """413: the body, or the mail that it describes, has more bytes than that."""
        self.refuse(413, "too_large", f"at most {most:,} bytes are accepted")

    def _check(self, size: int, most: int | None = None) -> None:
        if size > (most or self._most):
            self.refuse_large(most or self._most)

    def _take(self, size: int) -> None:
        if not self._room.take(size, self._address):
            self.refuse(503, "busy", "too many mails are being posted at once", retry_after=2.0)
        self._taken += size

    def _release(self) -> None:
        if self._taken:
            self._room.give(self._taken, self._address)
        self._taken = 0

    @property
    def _room(self) -> Room:
        return self.context.desk.known if self.trusted else self.context.desk.strangers

    @property
    def _address(self) -> str:
        return client_address(self.request, self.context.settings.server.proxies)

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
        self.body.forget()
        if self._lingering is not None:
            IOLoop.current().remove_timeout(self._lingering)

    def on_connection_close(self) -> None:
        """A body that is whole is put all the same: its sender comes again, and then it is a duplicate."""
        if not self._complete:
            self.on_finish()


def _length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

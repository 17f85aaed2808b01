"""The limit of bodies that are held in memory. Uploads have a limit of their own, and go to the disk as they come."""

from collections.abc import Awaitable, Callable

from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)

#: Bytes of a body that is held in memory.
MAX_BODY_BYTES = 1024 * 1024

#: The same, where no sign-in is needed: the sign-in form and reports of browsers are smaller.
MAX_OPEN_BODY_BYTES = 16 * 1024

#: Bytes of all bodies that are just received into memory, and of those from one network: a stranger could send all but
#: the last byte over each of thousands of connections.
ALL_BODIES_BYTES = 64 * 1024 * 1024
NETWORK_BODIES_BYTES = ALL_BODIES_BYTES // 4

#: Makes the handler that answers with a refusal.
Refuse = Callable[[], HTTPMessageDelegate]


def has_body(request: HTTPServerRequest) -> bool:
    """Return whether the head of the request announces a body."""
    return "Transfer-Encoding" in request.headers or request.headers.get("Content-Length", "0") != "0"


def is_announced_too_large(request: HTTPServerRequest, max_bytes: int) -> bool:
    """Return whether Content-Length says more than *max_bytes*."""
    length = request.headers.get("Content-Length", "")
    return length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > max_bytes)


class CountedBody(HTTPMessageDelegate):
    """Counts a body while it comes in. One that becomes too large, or for which no room is left, is refused.

    What came of it is forgotten then. Tornado itself would end the connection without an answer that a program
    understands.
    """

    def __init__(
        self,
        inner: HTTPMessageDelegate,
        request: HTTPServerRequest,
        *,
        max_bytes: int,
        reserve: Callable[[int], bool],
        release: Callable[[int], object],
        too_large: Refuse,
        busy: Refuse,
    ) -> None:
        """*reserve* answers whether so many more bytes may be held; *release* frees them."""
        self._inner = inner
        self._request = request
        self._max_bytes = max_bytes
        self._reserve, self._release = reserve, release
        self._too_large, self._busy = too_large, busy
        self._received = self._reserved = 0
        self._is_refused = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        self._head = start_line, headers
        self._request.connection.set_max_body_size(2**62)  # type: ignore[union-attr]
        return self._inner.headers_received(start_line, headers)

    async def data_received(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if not self._is_refused:
            if self._received > self._max_bytes:
                await self._refuse(self._too_large)
            elif self._reserve(len(chunk)):
                self._reserved += len(chunk)
            else:
                await self._refuse(self._busy)
        if (taken := self._inner.data_received(chunk)) is not None:
            await taken

    def finish(self) -> None:
        self._free()  # from here on the handler has it, which waits for nothing that the client does
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._free()
        self._inner.on_connection_close()

    async def _refuse(self, refuse: Refuse) -> None:
        self._is_refused, self._inner = True, refuse()
        self._free()
        if (prepared := self._inner.headers_received(*self._head)) is not None:
            await prepared

    def _free(self) -> None:
        if self._reserved:
            self._release(self._reserved)
        self._reserved = 0

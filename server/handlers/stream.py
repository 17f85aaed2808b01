"""`GET /sse/workitems`: the live stream of work items (docs/stream.md)."""

import random
from contextlib import ExitStack
from typing import Any, ClassVar

from server.access.client_address import client_address, is_https
from server.access.cors import cors_headers
from server.connections.http_server import close_after_answer
from server.handlers.base import BaseHandler
from server.http import query_params
from server.http.security_headers import SECURITY_HEADERS, STRICT_TRANSPORT
from server.stream import sse
from server.stream.client_socket import detach_socket
from server.stream.connection import Stream
from server.stream.connection_limits import Slot
from server.stream.stream_opener import new_connection_id
from workitems.base.statuses import STATUSES

#: A header that our client sends. We refuse it by a status, after which a plain EventSource would never reconnect.
_CLIENT_HEADER = "X-Tubepost-Client"

#: Mailboxes in a filter at most.
_MAX_MAILBOXES = 100

_STATUS = {"user": 429, "address": 429, "opens": 429}

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-store, no-transform",
    "X-Accel-Buffering": "no",
}


class StreamHandler(BaseHandler):
    """Authenticates and limits like any request, then detaches the socket from Tornado and ends.

    The reason: docs/decisions/0001-detached-streams.md.
    """

    scope: ClassVar[str | None] = "read"

    async def head(self) -> None:
        """Answer the headers of the stream without the stream."""
        self._stream_headers()
        self.finish()

    async def get(self) -> None:
        """Answer with an endless body; `Last-Event-ID` wins over `?last_event_id=`."""
        accept = self.request.headers.get("Accept", "*/*")
        if not any(kind in accept for kind in ("text/event-stream", "text/*", "*/*")):
            self.refuse(406, "not_acceptable", f"this address sends text/event-stream, but Accept is {accept:.80}")
        cursor = self.request.headers.get("Last-Event-ID") or self.get_query_argument("last_event_id", "") or None
        stream_filter = self._filter()
        slot = self._acquire_slot()
        if isinstance(slot, str):
            self._refuse_stream(slot)
            return
        stream = self._detach(slot)
        if stream is None:
            return
        stream.filter = stream_filter
        stream.credential = self.context.auth.credential_of(self.request)
        with ExitStack() as on_error:
            # The head of the response may not be sent yet, and without one a proxy answers 502.
            on_error.callback(stream.finish, "error")
            await self.context.stream_opener.open(stream, cursor)
            on_error.pop_all()

    def _filter(self) -> sse.StreamFilter:
        if not self.request.query:
            return sse.UNFILTERED
        statuses = frozenset(self.get_query_arguments("status"))
        unknown = sorted(statuses - set(STATUSES))
        if unknown:
            accepted = ", ".join(STATUSES)
            self.refuse(422, "invalid", f"{unknown[0]!r:.60} is not a status; accepted: {accepted}", "status")
        named = self.get_query_arguments("mailbox")
        if len(named) > _MAX_MAILBOXES:
            self.refuse(422, "invalid", f"at most {_MAX_MAILBOXES} mailboxes are accepted", "mailbox")
        mailboxes = frozenset(map(query_params.parse_mailbox, named))
        return sse.StreamFilter(mailboxes, statuses) if mailboxes or statuses else sse.UNFILTERED

    def _acquire_slot(self) -> Slot | str:
        hub = self.context.hub
        if not hub.ready.is_set():
            return "starting"
        address = client_address(self.request, self.context.settings.server.trusted_proxies)
        connection: Any = self.request.connection
        client = connection.stream.socket  # None: the client has left
        descriptor = client.fileno() if client is not None else 0
        return self.context.stream_limits.acquire(self.identity.name, address, descriptor)

    def _stream_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def _refuse_stream(self, reason: str) -> None:
        """Refuse our client by a status, and a plain EventSource by `busy`: it would never reconnect after a 503.

        The connection is closed: many are refused at once, and their connections would keep others out.
        """
        close_after_answer(self.request.connection)
        self.context.hub.counts[f"refused_{reason}"] += 1
        wait = random.uniform(2.0, 8.0)
        if _CLIENT_HEADER in self.request.headers:
            self.refuse(
                _STATUS.get(reason, 503), "busy", f"the server accepts no stream now: {reason}", retry_after=wait
            )
        self._stream_headers()
        self.finish(sse.encode_retry(int(wait * 1000)) + sse.PADDING + sse.encode_notice("busy", reason=reason))

    def _detach(self, slot: Slot) -> Stream | None:
        """Detach the socket; return None if the client has left."""
        chunked = self.request.version != "HTTP/1.0"
        head = self._head(chunked)
        socket = detach_socket(self.detach())
        self._break_cycles()  # as `finish` would; else each request would stay until a garbage collection
        if socket is None:
            slot.release()
            return None
        hub = self.context.hub
        return Stream(
            socket,
            id=new_connection_id(),
            is_chunked=chunked,
            head=head,
            max_queued_bytes=hub.settings.max_queued_bytes,
            slot=slot,
            on_end=hub.on_stream_end,
        )

    def _head(self, chunked: bool) -> bytes:
        """Return the status line and the headers of the response (RFC 9112 §2.1)."""
        settings = self.context.settings.server
        others = cors_headers(self.request.headers.get("Origin"), settings.allowed_origins)
        if is_https(self.request, settings.trusted_proxies):
            others |= STRICT_TRANSPORT
        start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" if chunked else b"HTTP/1.0 200 OK\r\n"
        return start + _ALWAYS + _lines({"Date": self._headers["Date"]} | others) + b"\r\n"


def _lines(headers: dict[str, str]) -> bytes:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")


_ALWAYS = _lines(SECURITY_HEADERS | _HEADERS | {"Connection": "close"})

"""`GET /sse/workitems`: the live stream of work items (docs/stream.md)."""

import random
from typing import ClassVar

from server import query, sse
from server.auth import client_address, credential
from server.connection import Stream, take
from server.cors import cors_headers
from server.handlers.base import PROTECTION, Handler
from server.limits import Slot
from server.resume import new_id
from workitems.item import STATUSES

#: What the client library sends, so that it may be refused by a status that a plain EventSource would never forgive.
_OURS = "X-Tubepost-Client"

#: Mailboxes that a filter may name.
_MOST_MAILBOXES = 100

_STATUS = {"user": 429, "address": 429, "opens": 429}

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-store, no-transform",
    "X-Accel-Buffering": "no",
}


class StreamHandler(Handler):
    """Authenticates and limits like any request, then takes the socket from Tornado and forgets itself.

    Why detached: docs/decisions/0001-detached-streams.md.
    """

    scope: ClassVar[str | None] = "read"

    async def head(self) -> None:
        """The headers of the stream without the stream."""
        self._stream_headers()
        self.finish()

    async def get(self) -> None:
        """Answer with an endless body; `Last-Event-ID` wins over `?last_event_id=`."""
        accept = self.request.headers.get("Accept", "*/*")
        if not any(kind in accept for kind in ("text/event-stream", "text/*", "*/*")):
            self.refuse(406, "not_acceptable", f"this is text/event-stream; Accept was {accept:.80}")
        wanted = self.request.headers.get("Last-Event-ID") or self.get_query_argument("last_event_id", "") or None
        chosen = self._filter()
        slot = self._slot()
        if isinstance(slot, str):
            self._refuse_stream(slot)
            return
        stream = self._detach(slot)
        if stream is None:
            return
        stream.filter = chosen
        stream.credential = credential(self.request)
        try:
            await self.context.resume.open(stream, wanted)
        except BaseException:
            stream.finish("error")  # its head may not be out yet, and without one a proxy answers 502
            raise

    def _filter(self) -> sse.Filter:
        if not self.request.query:
            return sse.EVERYTHING
        statuses = frozenset(self.get_query_arguments("status"))
        unknown = sorted(statuses - set(STATUSES))
        if unknown:
            accepted = ", ".join(STATUSES)
            self.refuse(422, "invalid", f"{unknown[0]!r:.60} is no status; accepted: {accepted}", "status")
        named = self.get_query_arguments("mailbox")
        if len(named) > _MOST_MAILBOXES:
            self.refuse(422, "invalid", f"at most {_MOST_MAILBOXES} mailboxes are accepted", "mailbox")
        mailboxes = frozenset(map(query.mailbox, named))
        return sse.Filter(mailboxes, statuses) if mailboxes or statuses else sse.EVERYTHING

    def _slot(self) -> Slot | str:
        hub = self.context.hub
        if not hub.ready.is_set():
            return "starting"
        address = client_address(self.request, self.context.settings.server.proxies)
        return self.context.limits.take(self.identity.name, address)

    def _stream_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def _refuse_stream(self, reason: str) -> None:
        """Our client is told by a status; a plain EventSource, which a 503 would end for good, by `busy`."""
        self.context.hub.counts[f"refused_{reason}"] += 1
        wait = random.uniform(2.0, 8.0)
        if _OURS in self.request.headers:
            self.refuse(_STATUS.get(reason, 503), "busy", f"no place for a stream now: {reason}", retry_after=wait)
        self._stream_headers()
        self.finish(sse.retry(int(wait * 1000)) + sse.PADDING + sse.notice("busy", reason=reason))

    def _detach(self, slot: Slot) -> Stream | None:
        """Take the socket; None when the client has left meanwhile."""
        chunked = self.request.version != "HTTP/1.0"
        head = self._head(chunked)
        socket = take(self.detach())
        self._break_cycles()  # `finish` would: each stream that opens would leave its request to the garbage collector
        if socket is None:
            slot.release()
            return None
        hub = self.context.hub
        return Stream(
            socket,
            id=new_id(),
            chunked=chunked,
            head=head,
            buffer=hub.settings.buffer,
            slot=slot,
            ended=hub.ended,
        )

    def _head(self, chunked: bool) -> bytes:
        """The head of the response: status line and headers (RFC 9112 §2.1)."""
        others = cors_headers(self.request.headers.get("Origin"), self.context.settings.server.origins)
        start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" if chunked else b"HTTP/1.0 200 OK\r\n"
        return start + _ALWAYS + _lines({"Date": self._headers["Date"]} | others) + b"\r\n"


def _lines(headers: dict[str, str]) -> bytes:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")


_ALWAYS = _lines(PROTECTION | _HEADERS | {"Connection": "close"})

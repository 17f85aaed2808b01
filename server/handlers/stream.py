"""`GET /sse/workitems`: the live stream of work items (docs/stream.md)."""

import random
from typing import ClassVar

from server import query, sse
from server.auth import COOKIE, client_address, credential
from server.connection import Stream, take
from server.handlers.base import Handler
from server.limits import Slot
from server.resume import new_id
from workitems.item import STATUSES

#: What the client library sends, so that it may be refused by a status that a plain EventSource would never forgive.
_OURS = "X-Tubepost-Client"

#: Mailboxes that a filter may name.
_MOST_MAILBOXES = 100

_STATUS = {"user": 429, "address": 429, "opens": 429}


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
        stream.credential = credential(self.request, self.get_cookie(COOKIE))
        try:
            await self.context.resume.open(stream, wanted)
        except BaseException:
            stream.abort("error")
            raise

    def _filter(self) -> sse.Filter:
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
        for name, value in {
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache, no-store, no-transform",
            "X-Accel-Buffering": "no",
        }.items():
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
        """Take the socket and send the response's head; None when the client has left meanwhile."""
        self._stream_headers()
        chunked = self.request.version != "HTTP/1.0"
        self.set_header("Connection", "close")
        if chunked:
            self.set_header("Transfer-Encoding", "chunked")
        self.clear_header("Content-Length")
        lines = [f"{name}: {value}" for name, value in self._headers.get_all()]
        socket = take(self.detach())
        if socket is None:
            slot.release()
            return None
        hub = self.context.hub
        stream = Stream(
            socket,
            id=new_id(),
            chunked=chunked,
            buffer=hub.settings.buffer,
            slot=slot,
            ended=hub.ended,
        )
        version = "1.1" if chunked else "1.0"
        stream.write("\r\n".join([f"HTTP/{version} 200 OK", *lines, "", ""]).encode("latin-1"))
        return stream

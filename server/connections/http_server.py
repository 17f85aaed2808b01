"""Tornado's HTTP server with what it lacks: an orderly end, a deadline for slow readers, a limit for each address.

A stream leaves it when its socket is detached.
"""

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from time import monotonic
from typing import Any, cast

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPInputError, HTTPMessageDelegate
from tornado.iostream import IOStream

from server.access.client_address import is_trusted_proxy, network_of
from server.connections.exchange import Exchange
from server.connections.listener import MAX_ACCEPTS_PER_TURN, first_spare_descriptor
from server.http.security_headers import SECURITY_HEADERS
from workitems.base.tasks import not_cancelled

#: Seconds between two checks whether clients take their answers.
_CHECK_SECONDS = 5.0

#: Seconds for which an idle connection stays open after SIGTERM. A request that its client is just sending gets its
#: answer. A proxy would answer 502 if we closed the connection under a POST, which it may not send again.
IDLE_GRACE = 1.0

#: Lines of the head of a request at most.
MAX_LINES = 200

#: Connections without the head of a request that are closed at a time for clients that wait: as many as are accepted
#: in a turn.
ROOM = MAX_ACCEPTS_PER_TURN

#: Connections that are closed in one turn of the event loop: each takes some 50 µs.
CLOSES_PER_TURN = 64

#: An address may have this part of the descriptors for its connections, whatever the settings say.
_ADDRESS_SHARE = 4

#: The answer to a connection of an address that has too many. Its request was not read.
_TOO_MANY_HEADERS = SECURITY_HEADERS | {"Connection": "close", "Retry-After": "5", "Content-Length": "0"}
_TOO_MANY_LINES = [f"{name}: {value}\r\n" for name, value in _TOO_MANY_HEADERS.items()]
_TOO_MANY = "".join(["HTTP/1.1 429 Too Many Requests\r\n", *_TOO_MANY_LINES, "\r\n"]).encode()

#: Seconds between two looks at the connections while the process stops.
_STEP = 0.02


class ConnectionServer(HTTPServer):
    """Knows its connections, each with its present exchange."""

    def initialize(  # type: ignore[override]
        self,
        *arguments: Any,
        max_per_address: int,
        trusted_proxies: tuple[str, ...] = (),
        counts: Counter[str] | None = None,
        clock: Callable[[], float] = monotonic,
        **more: Any,
    ) -> None:
        """*counts* gets the connections that were refused (`address`) or closed (`unread`, `silent`)."""
        super().initialize(*arguments, **more)
        self._exchanges: dict[object, Exchange] = {}
        self._max_per_address = max_per_address
        self._proxies = trusted_proxies
        self._addresses: Counter[str] = Counter()
        self._clients: dict[IOStream, str] = {}
        self._clock = clock
        self._counts: Counter[str] = Counter() if counts is None else counts

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Serve the connection, or refuse it when its address has too many that are no streams."""
        client = network_of(address[0]) if stream.socket.family in (socket.AF_INET, socket.AF_INET6) else ""
        is_full = client and self._addresses[client] >= self._max_per_address
        if is_full and not is_trusted_proxy(address[0], self._proxies):
            self._counts["address"] += 1
            stream.write(_TOO_MANY)
            stream.close()
            return
        self._addresses[client] += 1
        self._clients[stream] = client
        super().handle_stream(stream, address)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        assert isinstance(request_conn, HTTP1Connection)
        # Requests that came in before the connection was closed are not worked on: nobody gets their answers.
        is_open = not request_conn.stream.closed()
        inner = super().start_request(server_conn, request_conn) if is_open else HTTPMessageDelegate()
        request_conn._parse_headers = parse_head  # type: ignore[method-assign, assignment]
        is_first = server_conn not in self._exchanges
        exchange = Exchange(inner, request_conn, is_first=is_first, begun=self._clock())
        self._exchanges[server_conn] = exchange
        return exchange

    def on_close(self, server_conn: object) -> None:
        self._exchanges.pop(server_conn, None)
        assert isinstance(server_conn, HTTP1ServerConnection)
        client = self._clients.pop(server_conn.stream)
        self._addresses[client] -= 1
        if not self._addresses[client]:
            del self._addresses[client]
        super().on_close(server_conn)

    async def run(self) -> None:
        """Close connections whose clients do not take their answers, again and again."""
        clock = asyncio.get_running_loop().time
        while not_cancelled():
            await asyncio.sleep(_CHECK_SECONDS)
            self.close_unread(clock())

    def close_unread(self, now: float) -> None:
        """Close the connections of which too little was taken until *now*, in seconds of any clock."""
        self._close_in_turns(self._end_unread(now))

    def _end_unread(self, now: float) -> Iterator[bool]:
        for exchange in one_by_one(self._exchanges.values()):
            is_closed = exchange.end_if_unread(now)
            self._counts["unread"] += is_closed
            yield is_closed

    def close_unused(self) -> None:
        """Close the connections that their clients keep open after an answer: others need the descriptors.

        Those that one turn of the event loop does not close follow in the next ones. When these are fewer than ROOM,
        close as many of those that send no head, of the fullest address first.
        """
        kept = one_by_one(exchange for exchange in self._exchanges.values() if not exchange.is_first)
        lacking = ROOM - self._close_in_turns(each.end_if_idle() for each in kept)
        if lacking > 0:
            now = self._clock()
            late = [each for each in self._exchanges.values() if each.is_late(now)]
            late.sort(key=lambda each: self._addresses[self._clients[each._connection.stream]], reverse=True)
            for each in islice((each for each in late if each.lacks_head(now)), lacking):
                each._connection.stream.close()
                self._counts["silent"] += 1

    def _close_in_turns(self, closings: Iterator[bool]) -> int:
        """Do all *closings*, in this turn of the event loop and in later ones; return how many were closed now."""
        closed = close_some(closings)
        if closed == CLOSES_PER_TURN:
            asyncio.get_running_loop().call_soon(self._close_in_turns, closings)
        return closed

    async def finish_requests(self, seconds: float) -> None:
        """Answer what has come in, with `Connection: close`, and close idle connections; done within *seconds*."""
        clock = asyncio.get_running_loop().time
        self.conn_params.no_keep_alive = True  # for requests whose head comes from now on
        for exchange in self._exchanges.values():
            close_after_answer(exchange._connection)
        start = clock()
        closings: Iterator[bool] = iter(())
        while self._exchanges and clock() < start + seconds:
            if clock() >= start + IDLE_GRACE and close_some(closings) == CLOSES_PER_TURN:
                await asyncio.sleep(0)
                continue
            closings = (each.end_if_idle() for each in one_by_one(self._exchanges.values()))
            await asyncio.sleep(_STEP)


def one_by_one(exchanges: Iterable[Exchange]) -> Iterator[Exchange]:
    """Yield what *exchanges* has now, and forget each: to free thousands of them at the end takes 10 ms."""
    left = deque(exchanges)
    return (left.popleft() for _ in range(len(left)))


def close_some(closings: Iterator[bool]) -> int:
    """Take from *closings*, each of which may close a connection, until CLOSES_PER_TURN were closed; return how many.

    Fewer were closed only when nothing is left.
    """
    return sum(1 for _ in islice(filter(None, closings), CLOSES_PER_TURN))


def parse_head(head: bytes) -> tuple[str, HTTPHeaders]:
    """Parse the head of a request as Tornado does. HTTPInputError for more than MAX_LINES: each takes some 3 µs.

    A function, and not a method: a connection that had a method of its own would be in a cycle.
    """
    if head.count(b"\n") > MAX_LINES:
        raise HTTPInputError("too many header lines")
    return HTTP1Connection._parse_headers(cast(HTTP1Connection, None), head)


def max_per_address(setting: int, max_descriptors: int) -> int:
    """Return how many connections an address may have: one alone must not use up the descriptors of the process."""
    return max(1, min(setting, first_spare_descriptor(max_descriptors) // _ADDRESS_SHARE))


def close_after_answer(connection: HTTPConnection | None) -> None:
    """Close the connection after the present answer, which says so by `Connection: close` (RFC 9112 §9.6)."""
    if isinstance(connection, HTTP1Connection):
        connection._disconnect_on_finish = True

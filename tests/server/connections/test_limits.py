"""Limits of connections: a client must take its answers, and an address may have only so many connections."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any

import pytest
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from server.access.client_address import network_of
from server.connections.exchange import HEAD_SECONDS, READ_BYTES, READ_SECONDS, Exchange
from server.connections.http_server import CLOSES_PER_TURN, IDLE_GRACE, ROOM, ConnectionServer, max_per_address
from tests.support.waiting import PATIENCE, eventually

ASK = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"

#: Bytes of an answer: more than the sockets of both sides hold.
LARGE = 32 * 1024 * 1024

SMALL = b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Large(RequestHandler):
    """Answers more than sockets hold."""

    def get(self) -> None:
        self.finish(b"x" * LARGE)


class Small(RequestHandler):
    """Answers one byte."""

    def get(self) -> None:
        self.finish(b"x")


@asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[tuple[ConnectionServer, int, Counter[str]]]:
    counts: Counter[str] = Counter()
    app = Application([("/large", Large), ("/small", Small)])
    server = ConnectionServer(app, counts=counts, **{"max_per_address": 1_000} | limits)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.close_all_connections)
        stack.callback(server.stop)
        yield server, sockets[0].getsockname()[1], counts


@pytest.fixture
def connect() -> Iterator[Callable[[int], socket.socket]]:
    """Return a function that opens a connection with a small buffer; all are closed in the end."""
    with ExitStack() as stack:

        def make(port: int) -> socket.socket:
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            return client

        yield make


def answers(server: ConnectionServer) -> int:
    return sum(1 for each in server._exchanges.values() if each.stream is not None and each.stream.writing())


@pytest.mark.parametrize("requests", [1, 300])
async def test_a_client_that_does_not_take_its_answer_is_closed(
    connect: Callable[[int], socket.socket], requests: int
) -> None:
    async with serving() as (server, port, counts):
        client, loop = connect(port), asyncio.get_running_loop()
        await loop.sock_sendall(client, ASK * requests)
        await eventually(lambda: answers(server) == 1)
        server.close_unread(1000.0)
        server.close_unread(1000.0 + READ_SECONDS - 1)
        assert answers(server) == 1
        server.close_unread(1000.0 + READ_SECONDS)
        await eventually(lambda: not server._exchanges)
        assert counts["unread"] == 1


async def test_a_client_that_takes_its_answer_slowly_but_steadily_is_kept(
    connect: Callable[[int], socket.socket],
) -> None:
    async with serving() as (server, port, counts):
        client, loop = connect(port), asyncio.get_running_loop()
        await loop.sock_sendall(client, ASK)
        await eventually(lambda: answers(server) == 1)
        now, taken = 1000.0, 0
        for _ in range(3):
            server.close_unread(now)
            taken = 0
            async with asyncio.timeout(PATIENCE):
                while taken < 40 * READ_BYTES:  # sockets hold a part of it
                    taken += len(await loop.sock_recv(client, 64 * 1024))
            now += READ_SECONDS - 1
        server.close_unread(now)
        assert answers(server) == 1
        assert counts["unread"] == 0


async def test_an_idle_client_and_one_that_took_all_are_not_closed(connect: Callable[[int], socket.socket]) -> None:
    async with serving() as (server, port, counts):
        client, loop = connect(port), asyncio.get_running_loop()
        connect(port)
        await loop.sock_sendall(client, SMALL)
        async with asyncio.timeout(PATIENCE):
            assert (await loop.sock_recv(client, 100)).startswith(b"HTTP/1.1 200 OK")
        await eventually(lambda: len(server._exchanges) == 2)
        server.close_unread(1000.0)
        server.close_unread(9000.0)
        assert (len(server._exchanges), counts["unread"]) == (2, 0)


async def test_an_address_with_too_many_connections_is_refused_until_one_ends(
    connect: Callable[[int], socket.socket],
) -> None:
    async with serving(max_per_address=2) as (server, port, counts):
        loop = asyncio.get_running_loop()
        clients = [connect(port) for _ in range(2)]
        await eventually(lambda: len(server._exchanges) == 2)
        async with asyncio.timeout(PATIENCE):
            assert (await loop.sock_recv(connect(port), 100)).startswith(b"HTTP/1.1 429 ")
        assert counts["address"] == 1
        clients[0].close()
        await eventually(lambda: len(server._exchanges) == 1)
        again = connect(port)
        await loop.sock_sendall(again, SMALL)
        async with asyncio.timeout(PATIENCE):
            assert (await loop.sock_recv(again, 100)).startswith(b"HTTP/1.1 200 OK")


async def test_a_trusted_proxy_may_have_any_number_of_connections(connect: Callable[[int], socket.socket]) -> None:
    async with serving(max_per_address=1, trusted_proxies=("127.0.0.0/8",)) as (server, port, counts):
        clients = [connect(port) for _ in range(5)]
        await eventually(lambda: len(server._exchanges) == len(clients))
        assert counts["address"] == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_the_addresses_that_one_machine_may_use_count_together(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("setting", "descriptors", "most"),
    [(4_000, 65_536, 4_000), (4_000, 1_024, 240), (100, 1_024, 100), (4_000, 4, 1)],
)
def test_an_address_may_have_a_quarter_of_the_descriptors_at_most(setting: int, descriptors: int, most: int) -> None:
    assert max_per_address(setting, descriptors) == most


async def test_without_descriptors_connections_that_send_no_head_are_ended_those_of_the_fullest_address_first() -> None:
    now = [1000.0]
    async with serving(clock=lambda: now[0]) as (server, port, counts):
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:

            async def connect_from(address: str, sent: bytes = b"") -> socket.socket:
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.bind((address, 0))
                await loop.sock_connect(client, ("127.0.0.1", port))
                await loop.sock_sendall(client, sent)
                return client

            for _ in range(ROOM + 2):
                await connect_from("127.0.0.9", SMALL[:10])
            other = await connect_from("127.0.0.8")
            await eventually(lambda: sum(server._addresses.values()) == len(server._exchanges) == ROOM + 3)
            now[0] += HEAD_SECONDS - 1
            await connect_from("127.0.0.9")
            await eventually(lambda: len(server._exchanges) == ROOM + 4)
            server.close_unused()
            assert counts["silent"] == 0
            now[0] += 1
            server.close_unused()
            await eventually(lambda: server._addresses == {"127.0.0.9": 3, "127.0.0.8": 1})
            assert counts["silent"] == ROOM, "only as many as are needed"
            await loop.sock_sendall(other, SMALL)
            async with asyncio.timeout(PATIENCE):
                assert (await loop.sock_recv(other, 100)).startswith(b"HTTP/1.1 200 OK")


class Closings:
    """Counts the idle connections that are closed in each turn of the event loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by_turn: Counter[int] = Counter()
        self._turn = 0
        end_if_idle = Exchange.end_if_idle

        def counted(exchange: Exchange) -> bool:
            is_closed = end_if_idle(exchange)
            self.by_turn[self._turn] += is_closed
            return is_closed

        monkeypatch.setattr(Exchange, "end_if_idle", counted)
        self._next_turn()

    def _next_turn(self) -> None:
        self._turn += 1
        self._handle = asyncio.get_running_loop().call_soon(self._next_turn)

    def stop(self) -> None:
        self._handle.cancel()


@pytest.mark.parametrize("why", ["descriptors", "end"])
async def test_hundreds_of_idle_connections_are_closed_some_in_each_turn_of_the_event_loop(
    connect: Callable[[int], socket.socket], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = 3 * CLOSES_PER_TURN
    async with serving() as (server, port, _):
        loop = asyncio.get_running_loop()
        clients = [connect(port) for _ in range(many)]
        for client in clients:
            await loop.sock_sendall(client, SMALL)
            async with asyncio.timeout(PATIENCE):
                assert await loop.sock_recv(client, 1000)
        await eventually(lambda: sum(not each.is_first for each in server._exchanges.values()) == many)
        closings = Closings(monkeypatch)
        if why == "descriptors":
            server.close_unused()
            assert closings.by_turn.total() == CLOSES_PER_TURN, "the caller does not wait for more"
            await eventually(lambda: not server._exchanges)
        else:
            await server.finish_requests(IDLE_GRACE + PATIENCE)
        closings.stop()
        assert closings.by_turn.total() == many
        assert max(closings.by_turn.values()) == CLOSES_PER_TURN

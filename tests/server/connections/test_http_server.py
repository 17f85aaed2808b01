"""The end of a server process: what has come in is answered, and connections are closed so that no request is lost."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from server.connections.http_server import ConnectionServer
from tests.support.hanging_disk import hanging
from tests.support.program import Program
from tests.support.waiting import eventually

TOKEN = "a-token-for-tests"

#: The head of an upload whose body follows later.
UPLOAD = (
    f"POST /api/email/intake HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    "Content-Type: message/rfc822\r\nContent-Length: 40\r\n\r\n"
).encode()
ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
MAIL = b"Subject: in two parts\r\n\r\nHello, all of y"

#: Seconds until a wait counts as failed.
PATIENCE = 60.0


@pytest.fixture
def server(redis_url: str, tmp_path: Path) -> Iterator[Program]:
    settings = (
        f'data = "{tmp_path}/var"\ntoken = "{TOKEN}"\n[redis]\nurl = "{redis_url}"\n[stream]\ndrain_seconds = 0\n'
    )
    program = Program("server", tmp_path, settings).start().ready()
    yield program
    program.stop()


class Client:
    """A connection to the server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)

    def answer(self) -> bytes:
        """Return the head and the body of the next answer."""
        read = b""
        while b"\r\n\r\n" not in read:
            read += self._more()
        length = int(read.lower().partition(b"content-length: ")[2].split()[0])
        while len(read.partition(b"\r\n\r\n")[2]) < length:
            read += self._more()
        return read

    def is_closed(self) -> bool:
        """Wait for the end of the connection; return False when bytes come before it."""
        return self.socket.recv(1) == b""

    def _more(self) -> bytes:
        data = self.socket.recv(4096)
        assert data, "the connection was closed before the whole answer"
        return data


@pytest.fixture
def clients(server: Program) -> Iterator[list[Client]]:
    assert len(MAIL) == 40, "for the length in the head"
    with ExitStack() as stack:
        made = [Client(server.port) for _ in range(3)]
        for each in made:
            stack.enter_context(each.socket)
        yield made


def test_requests_that_came_in_before_sigterm_are_answered_and_connections_are_closed(
    server: Program, clients: list[Client]
) -> None:
    uploading, beginning, idle = clients
    for client in (beginning, idle):
        client.socket.sendall(ASK)
        assert b"Connection: close" not in client.answer()
    uploading.socket.sendall(UPLOAD + MAIL[:20])
    beginning.socket.sendall(ASK[:30])
    server.terminate()
    server.until_logged("event=stopping")
    assert idle.is_closed(), "although other requests are not answered yet"
    assert not server.ended
    for client, rest, status in ((uploading, MAIL[20:], b"202 Accepted"), (beginning, ASK[30:], b"200 OK")):
        client.socket.sendall(rest)
        answer = client.answer()
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b"Connection: close\r\n" in answer
        assert client.is_closed()
    assert server.wait() == 0
    assert "event=stopped" in server.log.read_text()


def test_a_process_ends_although_a_request_never_becomes_complete(server: Program, clients: list[Client]) -> None:
    clients[0].socket.sendall(UPLOAD + MAIL[:20])
    server.terminate()
    assert server.wait() == 0
    assert clients[0].is_closed()


def test_a_process_ends_although_the_disk_of_the_mail_store_hangs(
    server: Program, clients: list[Client], tmp_path: Path
) -> None:
    marker = tmp_path / "var" / "mail" / ".tubepost" / "store"
    clients[0].socket.sendall(UPLOAD + MAIL)
    assert clients[0].answer().startswith(b"HTTP/1.1 202 ")
    with hanging(marker):
        clients[1].socket.sendall(UPLOAD + MAIL)
        clients[2].socket.sendall(ASK)
        assert clients[2].answer().startswith(b"HTTP/1.1 200 ")
        server.terminate()
        assert server.wait() == 0
    assert clients[1].answer().startswith(b"HTTP/1.1 503 "), "the mail was not promised to be kept"
    server.until_logged("ended although work hangs")


def test_a_process_without_connections_ends_at_once(server: Program) -> None:
    server.terminate()
    assert server.wait() == 0


def test_a_head_of_more_than_16_kb_is_not_read(server: Program, clients: list[Client]) -> None:
    large, larger, _ = clients
    large.socket.sendall(ASK[:-2] + b"X-More: " + b"x" * 15_000 + b"\r\n\r\n")
    assert large.answer().startswith(b"HTTP/1.1 200 OK\r\n")
    larger.socket.sendall(ASK[:-2] + b"X-More: " + b"x" * 17_000)
    assert larger.is_closed()


def test_a_process_that_stops_reports_at_once_that_it_is_not_ready(server: Program, redis_url: str) -> None:
    name = f"{socket.gethostname()}/server-{server.pid}"
    with Redis.from_url(redis_url, socket_timeout=PATIENCE) as redis, redis.monitor() as monitor:
        server.terminate()
        reports: list[dict[str, object]] = []
        for command in monitor.listen():
            words = command["command"].split(" ", 3)
            if name in words[1:3] and words[0] == "HSET":
                reports.append(json.loads(words[3].replace("\\", "")))
            elif name in words[1:3] and words[0] == "HDEL":
                break
    assert [each["ready"] for each in reports][-1:] == [False]
    assert server.wait() == 0


async def test_a_request_that_was_just_read_keeps_its_connection() -> None:
    application = Application([("/", RequestHandler)])  # answers 405
    server = ConnectionServer(application, max_per_address=10)
    (listener,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(listener)
    reader, writer = await asyncio.open_connection(*listener.getsockname())

    async def close_idle_ones() -> None:
        while True:
            for exchange in list(server._exchanges.values()):
                exchange.end_if_idle()
            await asyncio.sleep(0)  # in each turn of the loop

    writer.write(b"GET / HTTP/1.1\r\nHost: local")
    await eventually(lambda: any(each._connection.stream._read_buffer_size for each in server._exchanges.values()))
    closing = asyncio.create_task(close_idle_ones())
    writer.write(b"host\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        assert (await reader.readline()).startswith(b"HTTP/1.1 405 ")
        assert await reader.read(), "the rest, until the idle connection is closed"
    closing.cancel()
    server.stop()
    writer.close()

"""A server at its limit of descriptors still answers requests: streams and idle connections leave some for them."""

import json
import resource
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.connections.listener import SPARE_DESCRIPTORS, first_request_descriptor, first_spare_descriptor
from tests.support.program import Program

TOKEN = "a-token-for-tests"

#: Descriptors of the server, and clients: more than it has.
DESCRIPTORS, CLIENTS = 256, 300


@pytest.mark.parametrize("descriptors", [256, 1024, 4096, 65_536])
def test_streams_leave_a_tenth_of_the_descriptors_and_at_least_64_for_requests(descriptors: int) -> None:
    kept = first_spare_descriptor(descriptors) - first_request_descriptor(descriptors)
    assert kept == max(64, descriptors // 10)
    assert first_spare_descriptor(descriptors) == descriptors - SPARE_DESCRIPTORS


def test_with_few_descriptors_some_streams_are_still_possible() -> None:
    assert first_request_descriptor(64) == 16


#: All clients of these tests have one address.
SETTINGS = '[stream]\ndrain_seconds = 0\n[server]\ntrusted_proxies = ["127.0.0.0/8"]\n'


@pytest.fixture
def server(redis_url: str, tmp_path: Path) -> Iterator[Program]:
    settings = f'data = "{tmp_path}/var"\ntoken = "{TOKEN}"\n[redis]\nurl = "{redis_url}"\n{SETTINGS}'
    program = Program("server", tmp_path, settings).start()
    assert program.process is not None
    resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    yield program.ready()
    program.stop()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(stack: ExitStack, port: int) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", port), 60))


def ask(client: socket.socket, path: str) -> bytes:
    """Send a request, and return the answer up to its first event or its JSON."""
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    read = b""
    while b'"event":' not in read and b"}" not in read:
        data = client.recv(8192)
        assert data, read
        read += data
    return read


def healthz(port: int) -> object:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
        return json.loads(answer.read())


def test_more_streams_than_descriptors_are_refused_as_busy_and_requests_are_answered(
    server: Program, stack: ExitStack
) -> None:
    answers = [ask(connect(stack, server.port), "/sse/workitems") for _ in range(CLIENTS)]
    opened = [b'"event":"connected"' in each for each in answers]
    refused = [each for each in answers if b'"event":"busy"' in each]
    assert sum(opened) + len(refused) == CLIENTS
    assert sum(opened) <= first_request_descriptor(DESCRIPTORS)
    assert sum(opened) > first_request_descriptor(DESCRIPTORS) / 2
    assert all(b'"reason":"descriptors"' in each and b"Connection: close\r\n" in each for each in refused)
    for _ in range(20):
        assert healthz(server.port) == {"status": "alive"}
    assert b'"items"' in ask(connect(stack, server.port), "/api/workitems")
    assert "Too many open files" not in server.log.read_text()


def test_connections_that_are_kept_after_an_answer_keep_nobody_out(server: Program, stack: ExitStack) -> None:
    for _ in range(CLIENTS):
        assert b"alive" in ask(connect(stack, server.port), "/healthz")
    assert healthz(server.port) == {"status": "alive"}
    assert "Too many open files" not in server.log.read_text()

"""Clients beyond the limit of descriptors wait: no busy loop, no failure, and connected clients are served."""

import contextlib
import resource
import socket
import time
from pathlib import Path

import pytest

from tests.support.program import Program

#: Descriptors of the server under test: below what so many idle clients would take.
DESCRIPTORS, CLIENTS = 200, 300


#: All clients of these tests have one address.
SETTINGS = '[stream]\ndrain_seconds = 0\n[server]\ntrusted_proxies = ["127.0.0.0/8"]\n'


@pytest.fixture
def server(redis_url: str, tmp_path: Path) -> Program:
    return Program(
        "server",
        tmp_path,
        f'[redis]\nurl = "{redis_url}"\n{SETTINGS}',
    )


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", "taken"), ("nowhere.invalid", "0")])
def test_the_error_of_an_address_that_cannot_be_used_is_one_sentence(server: Program, host: str, port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1]) if port == "taken" else port
        server.start(TUBEPOST_SERVER__HOST=host, TUBEPOST_SERVER__PORT=port)
        assert server.wait() == 2
    lines = server.log.read_text().splitlines()
    assert lines[-1].startswith(f"server.host, server.port: {host}:{port} cannot be used: ")
    assert not any("Traceback" in line for line in lines)


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def status_line(client: socket.socket) -> bytes:
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client.recv(64).partition(b"\r\n")[0]


def test_clients_beyond_the_descriptor_limit_wait_and_cost_nothing(server: Program) -> None:
    server.start()
    assert server.process is not None
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        server.ready()
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10)) for _ in range(CLIENTS)
        ]
        assert status_line(clients[0]) == b"HTTP/1.1 200 OK"  # connected clients are served
        used, logged = processor_seconds(server.process.pid), server.log.stat().st_size
        time.sleep(2)  # no condition to wait for: this shows that nothing happens
        assert processor_seconds(server.process.pid) - used < 0.5
        assert server.log.stat().st_size - logged < 1_000
        assert "new clients must wait" in server.log.read_text()
        clients[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            status_line(clients[-1])
        for client in clients[:-1]:
            client.close()
        clients[-1].settimeout(10)
        assert clients[-1].recv(15) == b"HTTP/1.1 200 OK"  # when others have left
        assert server.log.read_text().count("Too many open files") == 0


def test_a_client_that_cannot_be_accepted_waits_and_costs_nothing(server: Program) -> None:
    """Files and Redis may use what the listener keeps: then accept itself fails, again and again."""
    server.start().ready()
    assert server.process is not None
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (5, limits[1]))
        client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
        server.until_logged("new clients must wait")
        used, logged = processor_seconds(server.process.pid), server.log.stat().st_size
        time.sleep(2)  # no condition to wait for: this shows that nothing happens
        assert processor_seconds(server.process.pid) - used < 0.5
        assert server.log.stat().st_size - logged < 1_000
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
        assert status_line(client) == b"HTTP/1.1 200 OK"

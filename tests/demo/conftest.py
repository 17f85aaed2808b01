"""A real demo mailbox, started as the demo starts it."""

import imaplib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from demo import mailbox
from tests.support.program import wait_until_handled

#: Seconds that anything in these tests may take.
PATIENCE = 60

Seen = TypeVar("Seen")


def wait_for(look: Callable[[], Seen]) -> Seen:
    """Return what *look* gives as soon as it is true. Raises AssertionError when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := look()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return seen


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class DemoMailbox:
    """pymap with one user; `start` waits until it accepts connections, and may be called again after `stop`."""

    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    user: str = "desk@tubepost.example"
    password: str = "@ tube $HOME 'post'"
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> "DemoMailbox":
        arguments = mailbox.command(self.host, self.port, self.user)
        self.process = subprocess.Popen(arguments, env=mailbox.environment(self.password))
        wait_for(self._answers)
        return self

    def stop(self) -> int:
        """End it with SIGTERM; return its exit code."""
        if not self.process:
            return 0
        wait_until_handled(self.process.pid, signal.SIGTERM)  # pymap listens before it handles signals
        self.process.terminate()
        process, self.process = self.process, None
        return process.wait(PATIENCE)

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, "the demo mailbox ended at its start"
        with socket.socket() as sock:
            return sock.connect_ex((self.host, self.port)) == 0

    def client(self) -> imaplib.IMAP4:
        """Return another client, signed in, with the INBOX selected; for use in a `with`."""
        client = imaplib.IMAP4(self.host, self.port, timeout=PATIENCE)
        client.login(self.user, self.password)
        client.select("INBOX", readonly=True)
        return client

    def numbers(self) -> list[bytes]:
        """Return the sequence numbers of its mails."""
        with self.client() as client:
            return list(client.search(None, "ALL")[1][0].split())


@pytest.fixture
def demo_mailbox() -> Iterator[DemoMailbox]:
    """A server that the test has to start."""
    server = DemoMailbox()
    yield server
    server.stop()

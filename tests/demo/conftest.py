"""A real demo mailbox, started as the demo starts it."""

import imaplib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from demo import mailbox

#: Seconds that anything in these tests may take.
PATIENCE = 20

Seen = TypeVar("Seen")


def wait_for(look: Callable[[], Seen]) -> Seen:
    """What *look* gives as soon as it is true; AssertionError when that takes too long."""
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
    """pymap with one user; `start` returns when it takes connections, and may be called again after `stop`."""

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
        """End it with SIGTERM; its exit code."""
        if not self.process:
            return 0
        self.process.terminate()
        process, self.process = self.process, None
        return process.wait(PATIENCE)

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, "the demo mailbox ended at its start"
        with socket.socket() as sock:
            return sock.connect_ex((self.host, self.port)) == 0

    def client(self) -> imaplib.IMAP4:
        """Another client, signed in and looking at the INBOX; to be used in a `with`."""
        client = imaplib.IMAP4(self.host, self.port, timeout=PATIENCE)
        client.login(self.user, self.password)
        client.select("INBOX", readonly=True)
        return client

    def numbers(self) -> list[bytes]:
        """The numbers of the mails that are in it."""
        with self.client() as client:
            return list(client.search(None, "ALL")[1][0].split())


@pytest.fixture
def demo_mailbox() -> Iterator[DemoMailbox]:
    """An address where nothing runs yet; a test starts it when it wants to."""
    server = DemoMailbox()
    yield server
    server.stop()

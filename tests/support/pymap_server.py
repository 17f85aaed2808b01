"""The demo mailbox's server, pymap, on a free port of the loopback interface: mail in memory, new at every start."""

import imaplib
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.support.dovecot import free_port

#: Seconds that the server may take to greet, and to end after SIGTERM.
PATIENCE = 20


class PymapServer:
    """One server with one empty mailbox, INBOX, and a few demo folders beside it."""

    host = "127.0.0.1"
    user = "demouser"
    password = "demopass"

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        place = ["--host", self.host, "--port", str(self.port), "--no-tls"]
        with (self.place / "pymap.log").open("wb") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("pymap"), *place, "dict", "--demo-data"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._greets():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"pymap did not start: {(self.place / 'pymap.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)
        self._process = None

    def append(self, mails: Iterable[bytes], folder: str = "INBOX") -> None:
        """Deliver *mails* by APPEND, as another client would."""
        with imaplib.IMAP4(self.host, self.port, timeout=PATIENCE) as client:
            client.login(self.user, self.password)
            for mail in mails:
                kind, words = client.append(folder, None, None, mail)
                assert kind == "OK", words

    def _greets(self) -> bool:
        try:
            with imaplib.IMAP4(self.host, self.port, timeout=2):
                return True
        except OSError:
            return False

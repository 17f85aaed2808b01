"""The demo's IMAP server, pymap, on a free port of the loopback interface. It keeps its mail in memory only."""

import imaplib
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.support.dovecot import free_port

#: Seconds for the server to greet, and to end after SIGTERM.
PATIENCE = 20


class PymapServer:
    """One server with an empty INBOX and a few demo folders."""

    host = "127.0.0.1"
    user = "demouser"
    password = "demopass"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        address = ["--host", self.host, "--port", str(self.port), "--no-tls"]
        with (self.folder / "pymap.log").open("wb") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("pymap"), *address, "dict", "--demo-data"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._greets():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"pymap did not start: {(self.folder / 'pymap.log').read_text()[-2000:]}")
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

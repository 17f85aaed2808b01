"""One of Tubepost's programs as a process of its own, as supervisord would start it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

#: Seconds for a program to come up or to end.
_PATIENCE = 30.0


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """`run.py VERB` in a folder, with settings from a file there. Its log is kept for the test to read."""

    def __init__(
        self,
        verb: str,
        folder: Path,
        settings: str,
        environment: Mapping[str, str] | None = None,
        listening: socket.socket | None = None,
    ) -> None:
        """*listening*: the socket that several processes share, as under supervisord's fcgi-program."""
        self.verb = verb
        self.folder = folder
        self.log = folder / f"{verb}.log"
        self.port: int = listening.getsockname()[1] if listening else free_port()
        self._listening = listening
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})}
        self._environment["TUBEPOST_CONFIG"] = str(folder / f"{verb}.toml")
        (folder / f"{verb}.toml").write_text(settings, encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> "Program":
        """Begin; does not wait."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(PROJECT / "run.py"), self.verb],
                cwd=self.folder,
                env={**self._environment, "TUBEPOST_SERVER__PORT": str(self.port), **environment},
                stdin=self._listening.fileno() if self._listening else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def ready(self) -> "Program":
        """Wait until the server answers that it is ready."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                break
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2).close()
                return self
            time.sleep(0.05)
        raise RuntimeError(f"{self.verb} did not come up:\n{self.log.read_text()[-2000:]}")

    def said(self, text: str) -> "Program":
        """Wait until its log has *text*: whoever shares its socket would answer in its place."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self.log.read_text():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.verb} never said {text!r}:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def terminate(self) -> None:
        """SIGTERM; does not wait."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def ended(self) -> bool:
        """Whether it was started and runs no more."""
        return self.process is not None and self.process.poll() is not None

    def wait(self, seconds: float = _PATIENCE) -> int:
        """Its exit status."""
        assert self.process is not None
        return self.process.wait(seconds)

    def kill(self) -> None:
        """As a power cut."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(_PATIENCE)

    def stop(self) -> None:
        """SIGTERM and, should that not be enough, SIGKILL."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_PATIENCE)

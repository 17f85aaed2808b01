"""Many event streams, held by one C program on the other core, which reports when all have received an event."""

import atexit
import os
import select
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

from bench.machine import OTHER_CORE, pin

#: Seconds for anything that we wait for.
TIMEOUT = 300.0


@cache
def compiled(name: str) -> str:
    """Compile `bench/<name>.c`, once in each run, into a temporary folder. Return the path of the program."""
    folder = Path(mkdtemp(prefix="tubepost-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = folder / name
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run(["gcc", "-O2", "-Wall", "-o", str(program), str(source)], check=True)
    return str(program)


class Streams:
    """*count* streams of *path*, open as long as the `with` block runs."""

    def __init__(self, port: int, count: int, path: str, header: str = "") -> None:
        self.count = count
        #: How many events all streams have received.
        self.rounds = 0
        self.opened_again = 0
        self._text = b""
        command = [compiled("reader"), str(port), str(count), path, *([header] if header else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        pin(self._process.pid, OTHER_CORE)

    def __enter__(self) -> Self:
        try:
            self._line(b"ready")
        except BaseException:
            self._process.kill()
            self._process.communicate()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.leave()
        else:
            self._process.kill()
            self._process.communicate()

    def leave(self) -> None:
        """Close all streams, and note how often one had to be opened again. Each must have received all events once."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
            _, _, _, again, fewest, most = self._line(b"end")
            self.opened_again = int(again)
            self._process.wait(TIMEOUT)
            assert self._process.stdout is not None
            self._process.stdout.close()
            if not int(fewest) == int(most) == self.rounds:
                raise RuntimeError(f"streams received {int(fewest)} to {int(most)} of {self.rounds} events")

    def wait_for_deliveries(self, rounds: int = 1) -> float:
        """Wait until all streams have *rounds* more events. Return the time of the last delivery (monotonic, s)."""
        wanted, nanoseconds = self.rounds + rounds, b"0"
        while self.rounds < wanted:
            _, number, nanoseconds = self._line(b"round")
            self.rounds = int(number)
        return int(nanoseconds) / 1e9

    def _line(self, kind: bytes) -> list[bytes]:
        """Return the next line of that kind, and skip others before it."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + TIMEOUT
        while True:
            line, found, rest = self._text.partition(b"\n")
            if found:
                self._text = rest
                if line.startswith(kind):
                    return line.split()
                continue
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            more = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
            if not more:
                raise RuntimeError(f"the streams did not say {kind.decode()!r} within {TIMEOUT:g} s, or ended")
            self._text += more

"""Many event streams held by one C program on the other core, which tells when everybody has been told."""

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

#: Seconds in which anything that is waited for must happen.
PATIENCE = 300.0


@cache
def compiled(name: str) -> str:
    """The path of the program that `bench/<name>.c` becomes, built once a run into a temporary folder."""
    folder = Path(mkdtemp(prefix="tubepost-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = folder / name
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run(["gcc", "-O2", "-Wall", "-o", str(program), str(source)], check=True)
    return str(program)


class Streams:
    """*count* streams of `path`, open from `with` to its end."""

    def __init__(self, port: int, count: int, path: str, header: str = "") -> None:
        self.count = count
        #: Times that everybody has been told one more event.
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
        """Close all streams and learn how often one had to be opened again. Each must have had everything once."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
            _, _, _, again, least, most = self._line(b"end")
            self.opened_again = int(again)
            self._process.wait(PATIENCE)
            assert self._process.stdout is not None
            self._process.stdout.close()
            if not int(least) == int(most) == self.rounds:
                raise RuntimeError(f"streams had {int(least)} to {int(most)} events where {self.rounds} were told")

    def told(self, rounds: int = 1) -> float:
        """Wait until everybody has been told *rounds* more events; the time of the last delivery (monotonic, s)."""
        wanted, nanoseconds = self.rounds + rounds, b"0"
        while self.rounds < wanted:
            _, number, nanoseconds = self._line(b"round")
            self.rounds = int(number)
        return int(nanoseconds) / 1e9

    def _line(self, kind: bytes) -> list[bytes]:
        """The next line of that kind; others before it are passed over."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + PATIENCE
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
                raise RuntimeError(f"the streams did not say {kind.decode()!r} within {PATIENCE:g} s, or ended")
            self._text += more

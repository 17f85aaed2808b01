"""A proxy to Redis that can lose an answer: the command is carried out, but its sender gets no answer."""

import asyncio
import contextlib
from pathlib import Path
from tempfile import mkdtemp

from tests.support.redis_server import RedisServer


class LossyProxy:
    """Pass everything on until `lose` is set: then a request that contains it arrives, but its answer is dropped."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._path = Path(mkdtemp(prefix="tp-way-")) / "w.sock"
        self.url = f"unix://{self._path}"
        self.lose: bytes | None = None
        self.passed: list[bytes] = []

    async def __aenter__(self) -> "LossyProxy":
        self._listening = await asyncio.start_unix_server(self._carry, str(self._path))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._listening.close()
        self._path.unlink()
        self._path.parent.rmdir()

    def count(self, command: bytes) -> int:
        """Return how many requests that contain *command* arrived."""
        return sum(command in request for request in self.passed)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(str(self._server.socket))
        with contextlib.suppress(OSError):
            while request := await reader.read(1 << 20):
                self.passed.append(request)
                back.write(request)
                answer = await there.read(1 << 20)
                if self.lose is not None and self.lose in request:
                    break
                writer.write(answer)
                await writer.drain()
        for end in (writer, back):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

"""A plain client of event streams (WHATWG HTML): it has no special support for Tubepost."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.support.waiting import PATIENCE


@dataclass
class Message:
    """One dispatched message."""

    data: str
    id: str

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.data)
        return value


@dataclass
class EventStream:
    """`async with EventStream(port, token=…) as stream: await stream.next("new_workitem")`."""

    port: int
    token: str = ""
    path: str = "/sse/workitems"
    headers: dict[str, str] = field(default_factory=dict)
    version: str = "1.1"
    status: int = 0
    answered: dict[str, str] = field(default_factory=dict)
    retry: int | None = None
    last_event_id: str = ""
    messages: list[Message] = field(default_factory=list)
    #: Whether the response is complete as HTTP defines it (the last chunk).
    whole: bool = False
    #: Bytes of the body so far.
    received_bytes: int = 0

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(PATIENCE):
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
            lines = [f"GET {self.path} HTTP/{self.version}", "Host: localhost", "Accept: text/event-stream"]
            lines += [f"Authorization: Bearer {self.token}"] if self.token else []
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            self._writer.write("\r\n".join([*lines, "", ""]).encode())
            await self._head()
        self._buffer = b""
        self._left = int(self.answered.get("content-length", 1 << 40))
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close at once."""
        self._writer.transport.abort()

    async def next(self, event: str | None = None, *, within: float = PATIENCE) -> Message:
        """Return the next message, or the next one of this kind. EOFError when the stream ended."""
        async with asyncio.timeout(within):
            while True:
                message = await self._message()
                self.messages.append(message)
                if event is None or message.json.get("event") == event:
                    return message

    async def until(self, enough: Callable[[list[Message]], bool], *, within: float = PATIENCE) -> list[Message]:
        """Read until *enough* returns True. Return all messages."""
        async with asyncio.timeout(within):
            while not enough(self.messages):
                self.messages.append(await self._message())
        return self.messages

    async def _head(self) -> None:
        first = (await self._reader.readline()).split()
        self.status = int(first[1])
        while line := (await self._reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            self.answered[name.lower()] = value.strip()

    async def _message(self) -> Message:
        data: list[str] = []
        while True:
            line = await self._line()
            if not line:
                if data:
                    return Message("\n".join(data), self.last_event_id)
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "id":
                self.last_event_id = value
            elif name == "retry":
                self.retry = int(value)

    async def _line(self) -> str:
        while b"\n" not in self._buffer:
            more = await self._bytes()
            self.received_bytes += len(more)
            self._buffer += more
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode()

    async def _bytes(self) -> bytes:
        if self.answered.get("transfer-encoding") != "chunked":
            found = await self._reader.read(min(65536, self._left))
            self._left -= len(found)
            if not found:
                raise EOFError
            return found
        size = int((await self._reader.readline()).strip() or b"-1", 16)
        if size <= 0:
            self.whole = size == 0
            raise EOFError
        chunk = await self._reader.readexactly(size + 2)
        return chunk[:-2]

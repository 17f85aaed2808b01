"""A client of the event stream that follows docs/stream.md. Hundreds run in one event loop."""

import asyncio
import contextlib
import random
import socket

import orjson

from tests.support.record import ReceivedEvent, Record, Run, position
from tests.support.snapshot import load
from tests.support.stream_response import StreamResponse

#: The first and the longest upper bound of the back-off in milliseconds, as in stream.js.
_SHORTEST, _LONGEST = 500, 30_000

#: Bytes of a TCP segment.
_SEGMENT = 1_460

#: Seconds to connect.
_TIMEOUT = 20.0


class Follower:
    """Loads the list, follows the stream from there, and records what it receives.

    *plain*: behave like an EventSource, which supports `retry` and the last id, but no rotation. *headers* are sent
    with each request for the stream.
    """

    def __init__(self, port: int, token: str, *, plain: bool = False, headers: dict[str, str] | None = None) -> None:
        self.record = Record("plain" if plain else "rotating")
        self.cursor = ""
        #: For each `rotate`: its `retry` in milliseconds, and when it came (seconds of the loop).
        self.rotated: list[tuple[int, float]] = []
        self.response: StreamResponse | None = None
        #: The last response that the server ended.
        self.ended: StreamResponse | None = None
        self._next: StreamResponse | None = None
        self._port, self._token, self._plain = port, token, plain
        self._more = headers or {}
        #: Tasks for `run`; only a few wait at a time.
        self._todo: asyncio.Queue[str] = asyncio.Queue()
        self._failures = self._retry = 0
        self._asked_next = ""
        #: The present stream may repeat events of the one before: those after the cursor with which it was requested,
        #: up to the cursor at which the other was left.
        self._asked = self._known = ""

    @property
    def is_live(self) -> bool:
        return self.response is not None

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            await self._load()
            self.record.runs[0].start = self.cursor = self.record.runs[0].head
            await self._connect()
            while True:
                todo = await self._todo.get()
                if todo == "reset":
                    await self._load()
                elif todo == "lost":
                    self.record.reconnects += 1
                    await asyncio.sleep(self._wait())
                    await self._connect()
                else:
                    await self._connect()
        finally:
            for response in (self.response, self._next):
                if response is not None:
                    response.hang_up()

    async def _load(self) -> None:
        """Load the list; retry until it succeeds."""
        if not self.record.runs:
            self.record.runs.append(Run(""))
        while True:
            run = self.record.runs[-1]
            with contextlib.suppress(OSError, EOFError):
                run.head, run.items = await load(self._port, self._token)
                return
            await asyncio.sleep(random.uniform(0.2, 1.0))

    async def _connect(self) -> None:
        lines = ["GET /sse/workitems HTTP/1.1", "Host: localhost", "Accept: text/event-stream"]
        lines += [f"Authorization: Bearer {self._token}", f"Last-Event-ID: {self.cursor}"]
        lines += [f"{name}: {value}" for name, value in self._more.items()]
        response = self._next = StreamResponse(lines, self._on_message, self._on_end)
        self._asked_next = self.cursor
        try:
            async with asyncio.timeout(_TIMEOUT):
                await _connect_to(response, self._port)
        except OSError:
            response.hang_up()
            self._on_end(response)

    def _wait(self) -> float:
        """Return the seconds until the next attempt: the server's `retry`, or the back-off of stream.js with jitter."""
        self._failures += 1
        if self._plain:
            return self._retry / 1000 or 1.0
        longest = max(self._retry, _SHORTEST * 2 ** min(self._failures - 1, 10))
        return random.random() * min(_LONGEST, longest) / 1000

    def _on_end(self, response: StreamResponse) -> None:
        self._retry = response.retry
        if response.status:
            self.ended = response
        if response.status not in {0, 200}:
            self.record.refused += 1
        if response is self._next:
            self._next = None
        elif response is self.response:
            self.response = None
        if self.response is self._next is None:
            self._todo.put_nowait("lost")

    def _on_message(self, response: StreamResponse, cursor: str, data: bytes) -> None:
        envelope = orjson.loads(data)
        event: str = envelope["event"]
        if event == "busy":
            self.record.refused += 1
        elif event == "connected" and response is self._next:
            self._take_over(response)
        if response is not self.response:
            return
        if event == "reset":
            self.record.runs.append(Run(cursor))
            self.cursor = self._asked = self._known = cursor
            self._todo.put_nowait("reset")
        elif "workitem" in event:
            self._item(cursor, envelope["data"])
        elif event == "rotate":
            self.rotated.append((response.retry, asyncio.get_running_loop().time()))
            if not self._plain and self._next is None:
                self._todo.put_nowait("rotate")
        if cursor and position(cursor) > position(self.cursor):
            self.cursor = cursor

    def _take_over(self, response: StreamResponse) -> None:
        """Switch to the next stream, which is connected now, and close the old one."""
        if self.response is not None:
            self.response.hang_up()
            self.record.rotations += 1
        self.response, self._next = response, None
        self._asked, self._known = self._asked_next, self.cursor

    def _item(self, cursor: str, item: dict[str, object]) -> None:
        self._failures = 0
        if not position(self._asked) < position(cursor) <= position(self._known):
            self.record.runs[-1].received.append(ReceivedEvent(cursor, str(item["id"]), int(str(item["version"]))))

    def pause(self) -> None:
        """Stop reading, as a program that hangs does."""
        assert self.response is not None
        self.response.pause()


async def _connect_to(response: StreamResponse, port: int) -> None:
    """Connect with segments as on Ethernet: with those of loopback, the server's socket takes megabytes at once."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.create_connection(lambda: response, sock=sock)
    except BaseException:
        sock.close()
        raise

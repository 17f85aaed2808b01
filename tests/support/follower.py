"""A client of the event stream that does what docs/stream.md asks for, hundreds of them in one loop."""

import asyncio
import contextlib
import random
import socket

import orjson

from tests.support.line import Line
from tests.support.record import Record, Run, Told, place
from tests.support.snapshot import load

#: Milliseconds: the first and the longest upper bound of the wait before another try, as in stream.js.
_SHORTEST, _LONGEST = 500, 30_000

#: Bytes of a TCP segment.
_SEGMENT = 1_460

#: Seconds to be connected.
_PATIENCE = 20.0


class Follower:
    """Loads the list, follows the stream from there, and writes down what it is told.

    *plain* behaves as an EventSource: it knows `retry` and the last id, and nothing of rotation. *headers* are sent
    with each request for the stream.
    """

    def __init__(self, port: int, token: str, *, plain: bool = False, headers: dict[str, str] | None = None) -> None:
        self.record = Record("plain" if plain else "rotating")
        self.cursor = ""
        #: The milliseconds that `rotate` came with, and when it came (seconds of the loop).
        self.rotated: list[tuple[int, float]] = []
        self.line: Line | None = None
        #: The last that was ended by the other side.
        self.ended: Line | None = None
        self._next: Line | None = None
        self._port, self._token, self._plain = port, token, plain
        self._more = headers or {}
        #: What is to be done, by `run` alone: at most a few things wait.
        self._todo: asyncio.Queue[str] = asyncio.Queue()
        self._failures = self._retry = 0
        self._asked_next = ""
        #: The present line may repeat what the one before it told between the two: from where it was asked to where
        #: the other was left.
        self._asked = self._known = ""

    @property
    def is_live(self) -> bool:
        return self.line is not None

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
            for line in (self.line, self._next):
                if line is not None:
                    line.hang_up()

    async def _load(self) -> None:
        """Load the list, again and again until it comes."""
        if not self.record.runs:
            self.record.runs.append(Run(""))
        while True:
            run = self.record.runs[-1]
            with contextlib.suppress(OSError, EOFError):
                run.head, run.items = await load(self._port, self._token)
                return
            await asyncio.sleep(random.uniform(0.2, 1.0))

    async def _connect(self) -> None:
        lines = ["GET /sse/workitems HTTP/1.1", "Host: test", "Accept: text/event-stream"]
        lines += [f"Authorization: Bearer {self._token}", f"Last-Event-ID: {self.cursor}"]
        lines += [f"{name}: {value}" for name, value in self._more.items()]
        line = self._next = Line(lines, self._told, self._over)
        self._asked_next = self.cursor
        try:
            async with asyncio.timeout(_PATIENCE):
                await _reach(line, self._port)
        except OSError:
            line.hang_up()
            self._over(line)

    def _wait(self) -> float:
        """Seconds until the next try: what the server asked for, or stream.js's back-off with full jitter."""
        self._failures += 1
        if self._plain:
            return self._retry / 1000 or 1.0
        longest = max(self._retry, _SHORTEST * 2 ** min(self._failures - 1, 10))
        return random.random() * min(_LONGEST, longest) / 1000

    def _over(self, line: Line) -> None:
        self._retry = line.retry
        if line.status:
            self.ended = line
        if line.status not in {0, 200}:
            self.record.refused += 1
        if line is self._next:
            self._next = None
        elif line is self.line:
            self.line = None
        if self.line is self._next is None:
            self._todo.put_nowait("lost")

    def _told(self, line: Line, cursor: str, data: bytes) -> None:
        envelope = orjson.loads(data)
        event: str = envelope["event"]
        if event == "busy":
            self.record.refused += 1
        elif event == "connected" and line is self._next:
            self._take_over(line)
        if line is not self.line:
            return
        if event == "reset":
            self.record.runs.append(Run(cursor))
            self.cursor = self._asked = self._known = cursor
            self._todo.put_nowait("reset")
        elif "workitem" in event:
            self._item(cursor, envelope["data"])
        elif event == "rotate":
            self.rotated.append((line.retry, asyncio.get_running_loop().time()))
            if not self._plain and self._next is None:
                self._todo.put_nowait("rotate")
        if cursor and place(cursor) > place(self.cursor):
            self.cursor = cursor

    def _take_over(self, line: Line) -> None:
        """The next line is connected: it tells from now on, and the one before is left."""
        if self.line is not None:
            self.line.hang_up()
            self.record.rotations += 1
        self.line, self._next = line, None
        self._asked, self._known = self._asked_next, self.cursor

    def _item(self, cursor: str, item: dict[str, object]) -> None:
        self._failures = 0
        if not place(self._asked) < place(cursor) <= place(self._known):
            self.record.runs[-1].told.append(Told(cursor, str(item["id"]), int(str(item["version"]))))

    def pause(self) -> None:
        """Stop reading, as a program does that hangs."""
        assert self.line is not None
        self.line.pause()


async def _reach(line: Line, port: int) -> None:
    """Connect with segments as on Ethernet: with loopback's own, the server's socket takes megabytes for a deaf one."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.create_connection(lambda: line, sock=sock)
    except BaseException:
        sock.close()
        raise

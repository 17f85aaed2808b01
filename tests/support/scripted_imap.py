"""An IMAP server that follows a script of the test exactly, for behaviour that real servers do not have.

async def script(talk):
    await talk.sign_in()
    await talk.answer("NOOP")

async with ScriptedImap(script) as server:
    connection = await connect(server.account)

Each connection gets the next script: `ScriptedImap(first, second)`. With `again=True` the last one is repeated.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from worker.imap import Account

#: The longest wait in seconds of a script for the client.
PATIENCE = 30


class Talk:
    """One client at the server. `heard` holds what the client sent, without tags."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.heard: list[str] = []

    async def line(self) -> str:
        """Return the client's next line."""
        async with asyncio.timeout(PATIENCE):
            raw = await self.reader.readline()
        if not raw.endswith(b"\r\n"):
            raise ConnectionResetError(f"the client disconnected: {raw!r}")
        return raw[:-2].decode("latin-1")

    async def octets(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(size)

    async def expect(self, pattern: str) -> str:
        """Read a command, which must match *pattern* as a whole. Returns its tag."""
        tag, _, command = (await self.line()).partition(" ")
        self.heard.append(command)
        assert re.fullmatch(pattern, command), f"expected {pattern}, the client sent {command}"
        return tag

    async def say(self, *lines: bytes | str) -> None:
        """Send *lines* unchanged, each with CRLF."""
        await self.send(b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    async def answer(self, pattern: str, *untagged: bytes | str, end: str = "OK done") -> str:
        """Read a command and answer it: *untagged* lines, then `tag` and *end*. Returns the tag."""
        tag = await self.expect(pattern)
        await self.say(*untagged, f"{tag} {end}")
        return tag

    async def sign_in(self, capabilities: str = "IMAP4rev1 IDLE") -> None:
        await self.say("* OK ready")
        await self.answer("CAPABILITY", f"* CAPABILITY {capabilities}")
        await self.answer("LOGIN .*")
        await self.answer("CAPABILITY", f"* CAPABILITY {capabilities}")

    async def select(self, exists: int = 3) -> None:
        await self.answer(
            "SELECT .*",
            "* FLAGS (\\Seen)",
            "* OK [PERMANENTFLAGS (\\Seen \\*)] yours",
            f"* {exists} EXISTS",
            "* OK [UIDVALIDITY 7] valid",
            f"* OK [UIDNEXT {exists + 1}] next",
            end="OK [READ-WRITE] done",
        )

    async def gone(self) -> None:
        """Wait until the client has disconnected."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while await self.reader.read(65536):
                    pass

    def hang_up(self) -> None:
        self.writer.close()


class ScriptedImap:
    """Runs one script for each client, in the order of connections; with *again*, the last one for all later clients.

    The end of the block stops the server and raises the error of a script.
    """

    def __init__(
        self,
        *scripts: Callable[[Talk], Awaitable[None]],
        tls: ssl.SSLContext | None = None,
        again: bool = False,
    ) -> None:
        self._scripts = list(scripts)
        self._again = again
        self._tls = tls
        self._talks: asyncio.Queue[Talk] = asyncio.Queue()
        self._all: list[Talk] = []
        self._playing = False
        self.talk: Talk | None = None
        self.port = 0

    @property
    def visits(self) -> int:
        """The number of clients that have connected."""
        return len(self._all)

    @property
    def account(self) -> Account:
        return Account("127.0.0.1", self.port, "none", "desk", "secret")

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self._play = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        if self._again:
            await self._quiet()
        elif not self._talks.empty() or self.talk or error:
            await asyncio.wait({self._play}, timeout=0.2 if error else PATIENCE)
        self._play.cancel()
        await asyncio.wait({self._play})
        for talk in self._all:
            talk.writer.transport.abort()
        await asyncio.sleep(0)
        if not self._play.cancelled() and (wrong := self._play.exception()):
            if error:
                error.add_note(f"error of the script: {wrong!r}")
            else:
                raise wrong

    async def _quiet(self) -> None:
        """Wait until no script runs."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while self._playing and not self._play.done():
                    await asyncio.sleep(0.01)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._talks.put(Talk(reader, writer))

    async def _run(self) -> None:
        while self._scripts:
            script = self._scripts[0] if self._again and len(self._scripts) == 1 else self._scripts.pop(0)
            self._playing = False
            self.talk = await self._talks.get()
            self._playing = True
            self._all.append(self.talk)
            await script(self.talk)

"""As little of an IMAP client as a chain of APPEND, IDLE and FETCH needs (RFC 9051), without delays of its own."""

import asyncio
import re

#: Seconds for an answer.
_PATIENCE = 30.0

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_EXISTS = re.compile(rb"\* (\d+) EXISTS")


class Client:
    """A signed-in connection. asyncio sets TCP_NODELAY, without which every APPEND waits 40 ms for itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> None:
        self._reader = reader
        self._writer = writer
        self._patience = patience

    @classmethod
    async def sign_in(cls, host: str, port: int, user: str, password: str, *, patience: float = _PATIENCE) -> "Client":
        """*patience*: seconds for each line of an answer."""
        client = cls(*await asyncio.open_connection(host, port), patience)
        await client._line()
        await client._command(f"LOGIN {user} {password}".encode())
        return client

    async def append(self, mail: bytes) -> None:
        await self._command(b"APPEND INBOX {%d+}\r\n%b" % (len(mail), mail))

    async def select(self) -> int:
        """How many mails INBOX has."""
        return max(int(found[1]) for line in await self._command(b"SELECT INBOX") if (found := _EXISTS.match(line)))

    async def wait(self, known: int) -> int:
        """IDLE until there are more mails than *known*; how many there are then."""
        self._writer.write(b"a IDLE\r\n")
        there = known
        while there <= known:
            found = _EXISTS.match(await self._line())
            there = int(found[1]) if found else there
        self._writer.write(b"DONE\r\n")
        await self._answer()
        return there

    async def fetch(self, first: int, last: int) -> list[bytes]:
        """The answer's lines, mails among them."""
        return await self._command(b"FETCH %d:%d (BODY.PEEK[])" % (first, last))

    def close(self) -> None:
        self._writer.close()

    async def _command(self, text: bytes) -> list[bytes]:
        self._writer.write(b"a " + text + b"\r\n")
        return await self._answer()

    async def _answer(self) -> list[bytes]:
        """Lines and literals up to the tagged one, which must be OK."""
        lines = []
        while not (line := await self._line()).startswith(b"a "):
            lines.append(line)
            if found := _LITERAL.search(line):
                lines.append(await self._reader.readexactly(int(found[1])))
        if not line.startswith(b"a OK"):
            raise RuntimeError(f"the IMAP server said {line[:200]!r}")
        return lines

    async def _line(self) -> bytes:
        async with asyncio.timeout(self._patience):
            return await self._reader.readuntil(b"\r\n")

"""The least IMAP client that can do APPEND, IDLE and FETCH (RFC 9051), without delays of its own."""

import asyncio
import re

#: Seconds for an answer.
_TIMEOUT = 30.0

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_EXISTS = re.compile(rb"\* (\d+) EXISTS")


class ImapClient:
    """A signed-in connection. asyncio sets TCP_NODELAY; without it every APPEND would take 40 ms longer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout = timeout
        #: How many mails INBOX has: the server says it once, in the answer to whatever is asked then.
        self._exists = 0

    @classmethod
    async def sign_in(
        cls, host: str, port: int, user: str, password: str, *, answer_timeout: float = _TIMEOUT
    ) -> "ImapClient":
        """Connect and sign in. *answer_timeout*: seconds for each line of an answer."""
        client = cls(*await asyncio.open_connection(host, port), answer_timeout)
        await client._line()
        await client._command(f"LOGIN {user} {password}".encode())
        return client

    async def append(self, mail: bytes) -> None:
        await self._command(b"APPEND INBOX {%d+}\r\n%b" % (len(mail), mail))

    async def select(self) -> int:
        """Select INBOX. Return how many mails it has."""
        await self._command(b"SELECT INBOX")
        return self._exists

    async def wait(self, known: int) -> int:
        """IDLE until there are more mails than *known*. Return how many there are."""
        if self._exists <= known:
            self._writer.write(b"a IDLE\r\n")
            while self._exists <= known:
                await self._line()
            self._writer.write(b"DONE\r\n")
            await self._answer()
        return self._exists

    async def fetch(self, first: int, last: int) -> list[bytes]:
        """Return the lines of the answer, with the mails among them."""
        return await self._command(b"FETCH %d:%d (BODY.PEEK[])" % (first, last))

    def close(self) -> None:
        self._writer.close()

    async def _command(self, text: bytes) -> list[bytes]:
        self._writer.write(b"a " + text + b"\r\n")
        return await self._answer()

    async def _answer(self) -> list[bytes]:
        """Return the lines and literals up to the tagged line. RuntimeError unless that is OK."""
        lines = []
        while not (line := await self._line()).startswith(b"a "):
            lines.append(line)
            if found := _LITERAL.search(line):
                lines.append(await self._reader.readexactly(int(found[1])))
        if not line.startswith(b"a OK"):
            raise RuntimeError(f"the IMAP server said {line[:200]!r}")
        return lines

    async def _line(self) -> bytes:
        async with asyncio.timeout(self._timeout):
            line = await self._reader.readuntil(b"\r\n")
        if found := _EXISTS.match(line):
            self._exists = int(found[1])
        return line
